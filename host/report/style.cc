#include "host/report/style.h"

namespace kindred {

// Colours of series keep apart for the colour-blind, too (after Okabe and Ito), and from the background by 3:1.
const std::string_view kPageStyle = R"css(:root {
  color-scheme: light dark;
  --page: #f6f6f4; --card: #ffffff; --ink: #1b1c1e; --soft: #5a5d63; --rule: #dcdcd8; --grid: #e7e7e4;
  --accent: #1f63ad; --tint: #d5e4f4; --alert: #8a4b00; --alert-tint: #fff4e0; --alert-rule: #e0a040;
  --s0: #1f63ad; --s1: #d97706; --s2: #0f8f6a; --s3: #c2417a; --s4: #7c5bc4; --s5: #8f8a00; --s6: #3d9bcf; --s7: #85888f;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #131416; --card: #1c1e21; --ink: #ececea; --soft: #a6a9af; --rule: #34373c; --grid: #2b2e33;
    --accent: #6cabf0; --tint: #24405f; --alert: #ffcf87; --alert-tint: #33270f; --alert-rule: #a8741f;
    --s0: #5b9fe8; --s1: #f0983a; --s2: #35bd93; --s3: #e874a6; --s4: #a78bea; --s5: #c9c23a; --s6: #7cc7ee; --s7: #8f939b;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2rem 1.5rem 3rem; max-width: 72rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif;
}
header { margin-bottom: 1.5rem; }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; font-weight: 650; }
h2 { margin: 0 0 0.25rem; font-size: 1.2rem; line-height: 1.3; font-weight: 650; }
p { margin: 0; }
.subject { margin-top: 0.25rem; color: var(--soft); overflow-wrap: anywhere; }
.note { max-width: 46rem; color: var(--soft); font-size: 0.9rem; }
.scroll + .note, .note + .tiles { margin-top: 0.75rem; }
section { margin: 0 0 1.25rem; padding: 1.25rem 1.5rem 1.5rem; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; }
.notices { background: var(--alert-tint); border-color: var(--alert-rule); }
.notices h2 { color: var(--alert); }
.notices ul { margin: 0.5rem 0 0; padding-left: 1.25rem; }
.notices li { margin: 0.2rem 0; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr)); gap: 0.75rem; margin: 0 0 1.25rem; }
.tiles div { padding: 0.8rem 1rem; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; }
.tiles dt { color: var(--soft); font-size: 0.85rem; }
.tiles dd { margin: 0; font-size: 1.45rem; line-height: 1.3; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.tiles small { display: block; color: var(--soft); font-size: 0.8rem; line-height: 1.35; font-weight: 400; }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 0 2rem; }
.beside > div { min-width: 0; }
figure { margin: 1rem 0 0; container-type: inline-size; }
figcaption { font-weight: 600; font-size: 0.95rem; }
.legend { display: flex; flex-wrap: wrap; gap: 0.1rem 1rem; margin: 0.25rem 0 0; padding: 0; list-style: none; font-size: 0.85rem; }
.legend bdi { display: inline-block; max-width: 15rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; vertical-align: bottom; }
.legend i { display: inline-block; width: 0.75rem; height: 0.75rem; margin-right: 0.4rem; border-radius: 3px; vertical-align: -0.06rem; }
.plot { display: grid; grid-template-columns: 3.9rem minmax(0, 1fr); grid-template-rows: 15rem 1.5rem; margin-top: 0.9rem; color: var(--soft); font-size: 0.8rem; line-height: 1; font-variant-numeric: tabular-nums; }
.plot svg { display: block; width: 100%; height: 100%; overflow: visible; }
.y, .x { position: relative; }
.y { grid-area: 1 / 1; }
.x { grid-area: 2 / 2; }
.plot svg, .marks { grid-area: 1 / 2; }
.y.other { grid-area: 1 / 3; }
.y span { position: absolute; right: 0.6rem; transform: translateY(50%); white-space: nowrap; }
.x span { position: absolute; top: 0.5rem; transform: translateX(-50%); white-space: nowrap; }
.x .left { transform: translateX(-25%); }
.x .right { transform: translateX(-75%); }
.y.other span { right: auto; left: 0.6rem; }
.plot.rows { grid-template-columns: 11rem minmax(0, 1fr); }
.plot.rows.both { grid-template-columns: 11rem minmax(0, 1fr) 11rem; }
.rows .y span { max-width: calc(100% - 0.6rem); overflow: hidden; color: var(--ink); line-height: 1.25; text-overflow: ellipsis; }
.axis { margin: 0.3rem 0 0 3.9rem; text-align: center; color: var(--soft); font-size: 0.8rem; }
.rows + .axis { margin-left: 11rem; }
.axis.above { margin: 0.5rem 0 -0.4rem; text-align: left; }
.verdict { max-width: 52rem; font-size: 1.1rem; }
.grid { fill: none; stroke: var(--grid); stroke-width: 1; vector-effect: non-scaling-stroke; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; vector-effect: non-scaling-stroke; }
.tip { fill: transparent; }
.tip:hover { fill: var(--ink); fill-opacity: 0.08; }
.cell { fill: var(--accent); stroke: var(--grid); stroke-width: 1; vector-effect: non-scaling-stroke; }
.cell:hover { stroke: var(--ink); }
.s0 { --c: var(--s0); } .s1 { --c: var(--s1); } .s2 { --c: var(--s2); } .s3 { --c: var(--s3); }
.s4 { --c: var(--s4); } .s5 { --c: var(--s5); } .s6 { --c: var(--s6); } .s7 { --c: var(--s7); } .none { --c: var(--soft); }
path[class^="s"], path.none, .ribbon { fill: var(--c); }
path.line { fill: none; stroke: var(--c); }
.line.again:not(.dot, .point) { stroke-dasharray: 7 5; }
.dot { stroke-width: 8; }
.point { stroke-width: 5; stroke-opacity: 0.6; }
.ribbon { fill-opacity: 0.45; }
.ribbon:hover { fill-opacity: 0.8; }
.zero, .mean { fill: none; stroke: var(--soft); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.mean { stroke: var(--ink); stroke-dasharray: 5 4; }
.legend i { background: var(--c); }
i.again { border-radius: 50%; }
.marks { position: relative; pointer-events: none; }
.marks span { position: absolute; transform: translate(-50%, 50%); min-width: 1.5rem; padding: 0.25rem 0.3rem; background: var(--card); border: 2px solid var(--c); border-radius: 1rem; color: var(--ink); font-weight: 600; text-align: center; }
details { margin-top: 0.6rem; font-size: 0.85rem; }
summary { display: inline-block; padding: 0.2rem 0; color: var(--accent); cursor: pointer; }
summary::before { content: "\25B8\00A0"; }
details[open] summary::before { content: "\25BE\00A0"; }
details .scroll { max-height: 22rem; }
.scroll { margin-top: 0.75rem; overflow: auto; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
table { width: 100%; border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
caption { padding-bottom: 0.35rem; text-align: left; font-weight: 600; }
details caption { display: none; }
th, td { position: relative; padding: 0.35rem 0.75rem 0.35rem 0; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top; font-weight: 400; }
tbody th, td { overflow-wrap: anywhere; min-width: 4rem; }
thead th { color: var(--soft); font-size: 0.8rem; white-space: nowrap; }
tbody th { min-width: 7rem; }
tr > .n { text-align: right; padding-right: 0.5rem; padding-left: 0.75rem; white-space: nowrap; min-width: 0; }
tr > .prose { min-width: 18rem; padding-left: 1.25rem; }
tr > .n + :not(.n) { min-width: 6rem; padding-left: 1.25rem; }
tr > .n + .prose { min-width: 11rem; }
thead .long { min-width: 8rem; white-space: normal; }
tr > .barred { min-width: 9rem; }
td.code, th.code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; font-size: 0.8rem; }
thead th.code { font-family: inherit; }
.bar { position: absolute; left: 0.75rem; top: 0.35rem; height: 1.5em; max-width: calc(100% - 1.25rem); background: var(--tint); border-radius: 3px; }
.heat { position: absolute; inset: 1px 0 1px 0.25rem; border-radius: 3px; }
.heat.below { background: var(--s0); }
.heat.above { background: var(--s1); }
td bdi, th bdi { position: relative; }
footer { padding: 0 0.25rem; color: var(--soft); font-size: 0.8rem; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  body { padding: 1.25rem 0.75rem 2rem; }
  section { padding: 1rem 0.9rem 1.1rem; }
  h1 { font-size: 1.45rem; }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0.5rem; }
  .tiles dd { font-size: 1.15rem; }
  table { font-size: 0.85rem; }
  tr > .n { padding-right: 0.25rem; padding-left: 0.5rem; }
  tr > .barred { min-width: 6rem; }
  .heated tr > :first-child { position: sticky; left: 0; z-index: 1; background: var(--card); box-shadow: inset 0 -1px var(--rule); }
}
@container (max-width: 36rem) {
  .plot { grid-template-rows: 12rem 1.5rem; }
  .x .second { display: none; }
  .plot.rows { grid-template-columns: 7rem minmax(0, 1fr); }
  .plot.rows.both { grid-template-columns: 5.6rem minmax(0, 1fr) 5.6rem; }
  .rows + .axis { margin-left: 7rem; }
}
@media print {
  :root { font-size: 70%; }
  body { padding: 0; max-width: none; background: none; }
  figure, tr, .tiles div { break-inside: avoid; }
  h2, figcaption, caption { break-after: avoid; }
  section, .tiles div, .bar, .heat, .legend i { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  .scroll { overflow: visible; }
  summary, details:not([open]) { display: none; }
}
)css";

}  // namespace kindred
