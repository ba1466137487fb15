"""Extended spring indices from daily weather.

The job: `job` declares it, `options` are its options, `hooks` are called by the batch engine, `item` runs one block.

What there is to do (only headers are read for it): `listing` finds which files are meant, `headers` looks into one,
`inputs` puts them together into a `source.Collection` (grid, years, where each day lies) for each region,
`planning` compares that with what the output holds. `layout` decides how large blocks and batches are, `work` holds
the regions, years and blocks that are planned, `blocks` what one task is told and tells.

Reading: `ranges` gets bytes of files anywhere, `chunks` knows where the chunks of an HDF5 variable lie and decodes
them with `decode` (compiled), `readers` reads a rectangle of any kind of file, `ahead` fetches the next days meanwhile.

The model: `model` has its coefficients and variants, `kernel` (compiled) its arithmetic, `stream` carries a block of
cells through its days. `daylength` holds the formulas of day length, `light` groups of cells that share one,
`daylight` decides where those of a block come from. `compute` brings reading and model together for a block.

The result: `output` is the store and its notes, `template` the layout of a year, `record` what is said of a run,
`check` a first look at values, `values` the rules for them.
"""
