"""The style sheet: system fonts, light and dark, screen and print."""

from __future__ import annotations

CSS = """
:root { color-scheme: light dark; --page: #ffffff; --panel: #f5f6f8; --line: #dfe2e7;
  --ink: #1a1d23; --dim: #5b6472; --accent: #0072b2; --soft: #dbe9f3; }
@media (prefers-color-scheme: dark) { :root { --page: #14161a; --panel: #1d2026;
  --line: #333842; --ink: #e8eaee; --dim: #a0a8b5; --accent: #56b4e9; --soft: #24405a; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui,
  -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
.layout { display: grid; grid-template-columns: 12rem minmax(0, 60rem); gap: 3rem;
  max-width: 78rem; margin: 0 auto; padding: 2.5rem 2rem 4rem; }
nav { position: sticky; top: 2.5rem; align-self: start; font-size: .9rem; }
nav ol { list-style: none; margin: 0; padding: 0; border-left: 2px solid var(--line); }
nav a { display: block; padding: .22rem 0 .22rem .9rem; color: var(--dim);
  text-decoration: none; margin-left: -2px; border-left: 2px solid transparent; }
nav a:hover, nav a:focus-visible { color: var(--ink); border-left-color: var(--accent); }
h1 { font-size: 2.1rem; line-height: 1.15; letter-spacing: -.02em; margin: 0;
  overflow-wrap: anywhere; }
h2 { font-size: 1.35rem; letter-spacing: -.01em; margin: 0 0 .9rem; padding-top: 1.2rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.6rem 0 .6rem; }
p { margin: .4rem 0 .9rem; overflow-wrap: anywhere; }
.subtitle { color: var(--dim); font-size: 1.1rem; margin: .5rem 0 0; }
.dim { color: var(--dim); font-size: .9rem; }
section { margin-top: 2.6rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr));
  gap: .8rem; margin-top: 1.6rem; }
.tile { background: var(--panel); border-radius: .6rem; padding: .8rem 1rem; }
.value { font-size: 1.45rem; line-height: 1.5rem; padding: .3rem 0; font-weight: 650;
  font-variant-numeric: tabular-nums; letter-spacing: -.01em; overflow-wrap: anywhere; }
.value.long { font-size: 1rem; }
.name { color: var(--dim); font-size: .85rem; }
.verdicts { list-style: none; margin: 0; padding: 0; }
.verdicts li { padding: .55rem .9rem; margin: .5rem 0; background: var(--panel);
  border-left: 3px solid var(--accent); border-radius: 0 .4rem .4rem 0;
  overflow-wrap: anywhere; }
.steps { padding-left: 1.4rem; } .steps li { margin: .5rem 0; padding-left: .3rem; }
.steps pre { margin: .4rem 0 .9rem; }
.scroll { overflow-x: auto; margin: .6rem 0 1rem; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
caption::first-letter { text-transform: uppercase; }
th, td { padding: .32rem .9rem .32rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; text-align: left; overflow-wrap: anywhere; }
th { font-weight: 500; min-width: 6.5rem; } td.dim { min-width: 13rem; }
thead th { color: var(--dim); font-size: .85rem; }
th.n, td.n { text-align: right; min-width: 0; white-space: nowrap; padding-left: .9rem; }
td.bar { vertical-align: middle; padding-left: .4rem; }
.kinds th[scope=row] { min-width: 13rem; }
.kinds td.bar { vertical-align: top; padding-top: .45rem; }
.pairs th { color: var(--dim); font-weight: 400; white-space: nowrap; }
.track { fill: var(--soft); } .filled { fill: var(--accent); }
.chart { margin: .4rem 0 1.2rem; overflow-x: auto; }
.chart svg { display: block; width: 100%; min-width: 32rem; height: auto; }
.pair .chart svg { min-width: 0; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr));
  gap: 0 2rem; }
pre { background: var(--panel); border-radius: .5rem; padding: .8rem 1rem; overflow-x: auto;
  font-size: .88rem; white-space: pre-wrap; overflow-wrap: anywhere; }
code, .file { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono",
  monospace; }
.cards { display: grid; gap: 1rem; grid-auto-flow: dense;
  grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr)); }
.cards.small { grid-template-columns: repeat(auto-fill, minmax(min(10rem, 100%), 1fr)); }
.cards.four { grid-template-columns: repeat(4, minmax(0, 1fr)); gap: .6rem; }
.cards.wide { grid-template-columns: repeat(auto-fill, minmax(min(28rem, 100%), 1fr)); }
.card { margin: 0; background: var(--panel); border-radius: .6rem; overflow: hidden;
  display: flex; flex-direction: column; }
.image { display: flex; gap: 2px; cursor: zoom-in; }
.image img { display: block; flex: 1 1 0; min-width: 0; width: 100%; height: auto;
  object-fit: contain; background: #101216; }
.cards.small img { aspect-ratio: 1; background: var(--line); }
figcaption { padding: .55rem .8rem .7rem; font-size: .86rem; line-height: 1.4; }
figcaption span { display: block; overflow-wrap: anywhere; }
.file { color: var(--dim); font-size: .78rem; }
.smaller { display: none; color: var(--accent); }
.card:target { grid-column: 1 / -1; outline: 2px solid var(--accent); }
.card:target .image { cursor: default; }
.card:target img { aspect-ratio: auto; max-height: 90vh; }
.card:target .smaller { display: inline-block; margin-top: .3rem; }
footer { margin-top: 3rem; color: var(--dim); font-size: .85rem; }
@media (max-width: 60rem) {
  .layout { display: block; padding: 1.2rem 1rem 3rem; }
  nav { position: sticky; top: 0; background: var(--page); z-index: 1; padding: .5rem 0;
    margin-bottom: 1rem; border-bottom: 1px solid var(--line); overflow-x: auto; }
  nav ol { display: flex; gap: .2rem; border: 0; white-space: nowrap; }
  nav a { padding: .2rem .6rem; border: 0; }
  html { scroll-padding-top: 3.5rem; } }
@media (max-width: 45rem) { .cards.four { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
@media (max-width: 30rem) { td.bar { display: none; } }
@media print {
  :root { --page: #ffffff; --panel: #ffffff; --line: #c8ccd2; --ink: #000000; --dim: #444444; }
  nav, .screen, .smaller { display: none !important; }
  .layout { display: block; padding: 0; max-width: none; }
  body { font-size: 11pt; } .chart svg { min-width: 0; }
  .card, .tile { border: 1px solid var(--line); }
  .card, .chart, .tile, tr { break-inside: avoid; } h2, h3 { break-after: avoid; }
  .cards { grid-template-columns: repeat(2, 1fr); } }
""".strip()
"""One style sheet for all reports; its hash stands in the page's content security policy."""
