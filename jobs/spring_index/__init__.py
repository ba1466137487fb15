"""Extended spring indices from daily weather.

The job: `job` declares it, `options` are its options, `hooks` are called by the batch engine, `item` runs one block.

What there is to do (only headers are read for it): `inputs.listing` finds which files are meant, `inputs.headers` looks
into one, `inputs.collection` puts them together (grid, years, where each day lies) for each region, `planning` compares
that with what the output holds. `layout` decides how large blocks and batches are, `work` holds the regions, years and
blocks that are planned, `reading.blocks` what one task is told and tells.

Reading: `reading.ranges` gets bytes of files anywhere, `reading.chunks` knows where the chunks of an HDF5 variable lie
and decodes them with `reading.decode` (compiled), `reading.readers` reads a rectangle of any kind of file,
`reading.ahead` fetches the next days meanwhile, `reading.daylight` decides where day lengths come from,
`reading.values` has the rules for values.

The science: `science.model` has coefficients and variants, `science.kernel` (compiled) the arithmetic,
`science.daylength` the formulas of day length, `science.light` groups of cells that share one, `science.stream` carries
a block of cells through its days. `compute` brings reading and science together for a block.

The result: `output` is the store and its notes, `template` the layout of a year, `record` what is said of a run,
`check` a first look at values, `plot` the maps.
"""
