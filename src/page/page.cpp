// SPDX-License-Identifier: MIT
#include "src/page/page.hpp"

#include "src/base/result.hpp"

#include <ctime>
#include <fmt/chrono.h>

namespace intellisched::page {

std::string escaped(std::string_view text, std::size_t limit) {
    std::string out;
    for (const char c : printable(text, limit)) {
        switch (c) {
        case '&':
            out += "&amp;";
            break;
        case '<':
            out += "&lt;";
            break;
        case '>':
            out += "&gt;";
            break;
        case '"':
            out += "&quot;";
            break;
        case '\'':
            out += "&#39;";
            break;
        default:
            out += c;
        }
    }
    return out;
}

std::string today() { return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr))); }

std::string begin(std::string_view title, const About& about, std::span<const std::string> summary,
                  std::string_view style) {
    std::string about_it = escaped(fmt::format("{}, {}", about.subject, about.date));
    if (!about.origin.empty())
        about_it +=
            fmt::format(". Hosts: {}.",
                        escaped(about.origin + (about.costs.empty() ? "" : ", " + about.costs)));
    std::string out =
        fmt::format(R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{0}: {1}, {2}</title>
<style>
:root {{ --ink: #222; --paper: #fff; --dim: #666; --rule: #ddd; --blue: #1b5fa8; --pale: #b9cde4; --red: #c4471d }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #ddd; --paper: #17191c; --dim: #a0a0a0; --rule: #3b3f44;
       --blue: #6aabec; --pale: #33506e; --red: #f0865a }} }}
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 960px; padding: 0 1em;
       color: var(--ink); background: var(--paper) }}
h2 {{ margin-top: 2em }} h1, h2, h3, p, li, caption {{ overflow-wrap: anywhere }}
figure {{ margin: 0; max-width: 100%; break-inside: avoid }} figcaption {{ font-weight: 600 }}
table {{ border-collapse: collapse }} td, th {{ padding: .15em .7em; text-align: right; border-bottom: 1px solid var(--rule) }}
svg {{ max-width: 100%; height: auto }}
svg text {{ font: 12px system-ui, sans-serif; fill: var(--ink) }} svg .value {{ fill: var(--dim) }}
.grid {{ stroke: var(--rule) }} .wide {{ overflow-x: auto; max-width: 100% }}
@media (max-width: 520px) {{ body {{ margin: 1em auto; font-size: 14px }} }}
@media print {{ body {{ max-width: none; margin: 0; font-size: 10pt }} .wide {{ overflow: visible }}
               table {{ font-size: 7pt }} tr {{ break-inside: avoid }} h2 {{ break-after: avoid }} }}
{4}</style></head><body>
<h1>{0}</h1>
<p class="about">{3}</p>
)",
                    escaped(title), escaped(about.subject), escaped(about.date), about_it, style);
    if (!summary.empty()) out += "<ul class=\"summary\">\n";
    for (const std::string& sentence : summary)
        out += fmt::format("<li>{}</li>\n", escaped(sentence));
    if (!summary.empty()) out += "</ul>\n";
    return out;
}

std::string end() { return "</body></html>\n"; }

std::string drawing(double width, double height, std::string_view parts) {
    return fmt::format(
        R"(<svg width="{0:.0f}" height="{1:.0f}" viewBox="0 0 {0:.0f} {1:.0f}" role="img">{2}</svg>)",
        width, height, parts);
}

std::string line(std::string_view kind, double x1, double y1, double x2, double y2) {
    return fmt::format(R"(<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>)",
                       kind, x1, y1, x2, y2);
}

std::string words(std::string_view kind, double x, double y, std::string_view anchor,
                  std::string_view text) {
    return fmt::format(R"(<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>)", kind,
                       x, y, anchor, escaped(text));
}

std::string circle(std::string_view kind, double x, double y, double radius) {
    return fmt::format(R"(<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{:g}"/>)", kind, x, y,
                       radius);
}

} // namespace intellisched::page
