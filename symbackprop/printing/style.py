"""How a page looks: the one style sheet, with nothing that is fetched from elsewhere."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --paper: #fff; --rule: #d6dbe2;
  --quiet: #5c6878; --accent: #1a5fb4; --code: #f5f6f8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ee; --paper: #15191f; --rule: #38414d; --quiet: #9aa6b5;
    --accent: #7fb2f0; --code: #1d232b; } }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 62rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.55 system-ui, "Segoe UI", "Noto Sans", sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; padding-bottom: .25rem;
  border-bottom: 1px solid var(--rule); }
p, summary { color: var(--quiet); margin: .2rem 0 .6rem; }
summary { cursor: pointer; }
nav a { margin-right: 1rem; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
table.lines td { padding: .28rem .3rem; vertical-align: middle; white-space: nowrap; }
table.lines td:first-child { text-align: right; }
table.lines td.more { padding-left: 2.2rem; padding-top: 0; }
table.lines tr.first td { padding-top: .8rem; }
table.lines td.note { padding-left: 1.6rem; color: var(--quiet); font-size: .85rem; }
table.lines td.link { padding-left: 1.6rem; font-size: .8rem; }
table.cells th, table.cells td { padding: .25rem .9rem .25rem 0; text-align: left;
  vertical-align: top; }
table.cells th { border-bottom: 1px solid var(--rule); font-weight: 600; }
table.cells tr.last td { border-top: 1px solid var(--rule); }
math { font-family: "STIX Two Math", "Latin Modern Math", "Cambria Math", math;
  font-size: 1.08em; }
mi.typed { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .85em; }
mtable.cases mtd { text-align: left; padding-right: .8em; }
pre { background: var(--code); padding: 1rem; overflow-x: auto; line-height: 1.45;
  font-size: .85rem; border-radius: .4rem; }
pre span { display: block; min-height: 1.45em; }
pre span:target, tr:target { background: color-mix(in srgb, var(--accent) 22%, transparent); }
pre i { display: inline-block; width: 3.2em; margin-right: 1em; text-align: right;
  font-style: normal; color: var(--quiet); user-select: none; }
@media print { body { max-width: none; padding: 0; } details { display: block; } }
"""
