/* How search ranks what it finds: as Sphinx does, but the code, its history and its speed last, and of what is not in a title
   pages to look things up in first. */
var Scorer = {
  score: ([page, , , , score]) => {
    if (page.startsWith("reference/api/")) return score - 40;
    if (/^(changelog|development|performance)$/.test(page)) return score - 20;
    if (page === "reference/exit-codes") return 11; // its headings name everything
    return score + (score < 15 && /^(trouble|platforms)$/.test(page) ? 6 : 0);
  },
  objNameMatch: 11, objPartialMatch: 6, objPrio: { 0: 15, 1: 5, 2: -5 }, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};

{
  /* What somebody pastes from the screen: names in quotes and numbers are theirs, and no page has all of its words. */
  const QUOTED = /(^|\s)'[^']*'(?=\W|$)/g;
  const wordsOf = (text) => new Set(
    splitQuery(text.toLowerCase().replace(QUOTED, " ")).filter((word) => !/^\d+$/.test(word)),
  );

  /* Pages with all of the words that any page has; if there are none, those with the most, a rare word counting more. */
  const anyOf = (strict) => (words, excluded) => {
    const found = [...words].map((word) => strict(new Set([word]), excluded)).filter((pages) => pages.length);
    const seen = new Map();
    for (const pages of found) {
      for (const page of pages) {
        const one = seen.get(page[0]) ?? { page, times: 0, rare: 0 };
        one.page = page[4] > one.page[4] ? page : one.page;
        seen.set(page[0], { ...one, times: one.times + 1, rare: one.rare + 1 / pages.length });
      }
    }
    const all = [...seen.values()].filter((one) => one.times === found.length);
    const best = Math.max(...[...seen.values()].map((one) => one.rare));
    return (all.length ? all : [...seen.values()].filter((one) => one.rare > best / 2)).map((one) => one.page);
  };

  /* Messages of which the query has most words; an exit code or a command alone leads to its heading. */
  const messages = (query) => {
    const { indexentries, alltitles, titles, docnames, filenames } = Search._index;
    const row = (file, id, title, score) =>
      [docnames[file], `${titles[file]} > ${title}`, `#${id}`, null, score, filenames[file], SearchResultKind.title];
    const code = query.trim().match(/^(?:exit )?(?:code )?(\d+)$/i);
    const isMeant = (title) => code ? title.startsWith(`Exit code ${code[1]}:`) : title === `springline ${query.trim()}`;
    const meant = Object.entries(alltitles).filter(([title]) => isMeant(title));
    if (meant.length) return meant.flatMap(([title, places]) => places.map(([file, id]) => row(file, id, title, 100)));
    const asked = wordsOf(query), times = new Map();
    const ours = Object.entries(indexentries).filter(([, [[, , isMain]]]) => isMain)
      .map(([said, [[file, id]]]) => ({ said, file, id, words: [...wordsOf(said)] }));
    ours.forEach(({ words }) => words.forEach((word) => times.set(word, (times.get(word) ?? 0) + 1)));
    const weight = (words) => words.reduce((sum, word) => sum + 1 / Math.sqrt(times.get(word)), 0);
    const close = ours.map((one) => {
      const shared = one.words.filter((word) => asked.has(word));
      return { ...one, shared: shared.length, part: weight(shared) / weight(one.words) };
    }).filter(({ shared, part }) => part > 0.6 && (shared > 2 || (part === 1 && shared === asked.size)));
    close.sort((a, b) => b.part - a.part || b.shared - a.shared);
    return close.slice(0, 3).map(({ said, file, id }, place) => row(file, id, said, 60 - place));
  };

  const perform = Search._performSearch, parse = Search._parseQuery;
  const bare = (query) => query.replace(QUOTED, " ").trim() || query;
  Search.performTermsSearch = anyOf(Search.performTermsSearch);
  Search._parseQuery = (query) => [query, ...parse(bare(query)).slice(1)];
  Search._performSearch = (query, ...rest) => [...perform(bare(query), ...rest), ...messages(query).reverse()];
}
