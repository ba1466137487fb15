/* How search ranks what it finds: as Sphinx does, the pages of the code last. */
var Scorer = {
  score: ([page, , , , score]) => score - (page.startsWith("reference/api/") ? 20 : 0),
  objNameMatch: 11, objPartialMatch: 6, objPrio: { 0: 15, 1: 5, 2: -5 }, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};
