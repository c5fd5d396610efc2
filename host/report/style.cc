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
.x { grid-column: 2; }
.y span { position: absolute; right: 0.6rem; transform: translateY(50%); white-space: nowrap; }
.x span { position: absolute; top: 0.5rem; transform: translateX(-50%); white-space: nowrap; }
.x .left { transform: translateX(-25%); }
.x .right { transform: translateX(-75%); }
.axis { margin: 0.3rem 0 0 3.9rem; text-align: center; color: var(--soft); font-size: 0.8rem; }
.axis.above { margin: 0.5rem 0 -0.4rem; text-align: left; }
.verdict { max-width: 52rem; font-size: 1.1rem; }
.grid { fill: none; stroke: var(--grid); stroke-width: 1; vector-effect: non-scaling-stroke; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; vector-effect: non-scaling-stroke; }
.tip { fill: transparent; }
.tip:hover { fill: var(--ink); fill-opacity: 0.08; }
.cell { fill: var(--accent); stroke: var(--grid); stroke-width: 1; vector-effect: non-scaling-stroke; }
.cell:hover { stroke: var(--ink); }
path.s0 { fill: var(--s0); } path.s1 { fill: var(--s1); } path.s2 { fill: var(--s2); } path.s3 { fill: var(--s3); }
path.s4 { fill: var(--s4); } path.s5 { fill: var(--s5); } path.s6 { fill: var(--s6); } path.s7 { fill: var(--s7); }
path.line { fill: none; }
.dot { stroke-width: 8; }
.line.s0 { stroke: var(--s0); } .line.s1 { stroke: var(--s1); } .line.s2 { stroke: var(--s2); } .line.s3 { stroke: var(--s3); }
.line.s4 { stroke: var(--s4); } .line.s5 { stroke: var(--s5); } .line.s6 { stroke: var(--s6); } .line.s7 { stroke: var(--s7); }
i.s0 { background: var(--s0); } i.s1 { background: var(--s1); } i.s2 { background: var(--s2); } i.s3 { background: var(--s3); }
i.s4 { background: var(--s4); } i.s5 { background: var(--s5); } i.s6 { background: var(--s6); } i.s7 { background: var(--s7); }
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
tr > .barred { min-width: 9rem; }
td.code, th.code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; font-size: 0.8rem; }
thead th.code { font-family: inherit; }
.bar { position: absolute; left: 0.75rem; top: 0.35rem; height: 1.5em; max-width: calc(100% - 1.25rem); background: var(--tint); border-radius: 3px; }
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
}
@container (max-width: 36rem) {
  .plot { grid-template-rows: 12rem 1.5rem; }
  .x .second { display: none; }
}
@media print {
  :root { font-size: 70%; }
  body { padding: 0; max-width: none; background: none; }
  figure, tr, .tiles div { break-inside: avoid; }
  h2, figcaption, caption { break-after: avoid; }
  section, .tiles div, .bar, .legend i { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  .scroll { overflow: visible; }
  summary, details:not([open]) { display: none; }
}
)css";

}  // namespace kindred
