// SPDX-License-Identifier: MIT
// `guests`: who waits, for whom, and what would help. `diagnose`: what is wrong and no matter of
// layout or rate limit.
#include "src/cli/guests.hpp"

#include "src/base/interrupt.hpp"
#include "src/cli/commands.hpp"
#include "src/cli/guests_text.hpp"
#include "src/cli/output.hpp"
#include "src/cli/shared_options.hpp"
#include "src/layout/snapshot.hpp"
#include "src/policy/cause.hpp"
#include "src/pool/pool_loop.hpp"

#include <algorithm>
#include <cmath>

namespace intellisched::cli {
namespace {

struct GuestsArguments {
    WatchOptions watch;
    bool json = false;
};

PoolCures cures_of(const Watched& watched, const Models& models) {
    PoolCures cures;
    const PoolFacts& facts = watched.facts;
    if (const Verdict verdict = judge_layout(watched);
        verdict.decision == Decision::switch_option) {
        const Layout layout = layout_of(verdict.option);
        cures.layout = fmt::format("layout {}", to_string(layout));
        cures.layout_command =
            layout_command(facts.pool, facts.pool_id, facts.can_rearrange, layout);
    }
    if (!models.rate_limit) return cures;
    if (const Verdict verdict = judge_rate_limit(watched);
        verdict.decision == Decision::switch_option) {
        const unsigned us = limit_of(verdict.option);
        cures.rate_limit = "rate limit " + rate_limit_text(us);
        cures.rate_limit_command = rate_limit_command(facts.pool, facts.pool_id, us);
        cures.shorter = us < limit_of(rate_limit_option(facts));
    }
    return cures;
}

void set_row(proto::GuestRow& row, const GuestFigures& guest, Cause cause, const Help& help) {
    row.set_id(guest.id);
    row.set_name(printable(guest.name, 64));
    row.set_vcpus(guest.vcpus);
    row.set_weight(guest.weight);
    row.set_cap(guest.cap);
    row.set_got(guest.got);
    row.set_entitled(guest.entitled);
    row.set_share(guest.share);
    row.set_waits(guest.waits());
    if (!std::isnan(guest.wait_p50_us)) row.set_wait_p50_us(guest.wait_p50_us);
    if (!std::isnan(guest.wait_p99_us)) row.set_wait_p99_us(guest.wait_p99_us);
    if (guest.behind) {
        row.mutable_behind()->set_id(guest.behind->id);
        row.mutable_behind()->set_name(printable(guest.behind->name, 64));
        row.mutable_behind()->set_part(guest.behind->part);
    }
    if (!std::isnan(guest.behind_any)) row.set_behind_any(guest.behind_any);
    row.set_moves_s(guest.moves_per_s);
    row.set_wakeups_s(guest.wakeups_per_s);
    if (!std::isnan(guest.burst_us)) row.set_burst_us(guest.burst_us);
    row.set_cause(std::string(to_string(cause)));
    row.mutable_help()->set_what(std::string(help.what));
    row.mutable_help()->set_text(help.text);
    row.mutable_help()->set_command(help.command);
}

/// Domain-0 works for all the others, of each kind at once.
Result<void> set_class(proto::GuestRow& row, const GuestFigures& guest, const Models& models) {
    constexpr std::size_t most_evidence = 3;
    if (!models.guest_classes || guest.id == 0) return {};
    const auto found = TRY(models.guest_classes->classify(guest.traits, most_evidence));
    auto& out = *row.mutable_class_();
    out.set_name(std::string(found.clear ? found.name : "unclear"));
    out.set_confidence(found.confidence);
    out.set_likeliest(std::string(found.name));
    for (const GuestClass::Evidence& one : found.evidence) {
        auto& evidence = *out.add_evidence();
        evidence.set_trait(std::string(one.trait));
        if (!std::isnan(one.value)) evidence.set_value(one.value);
        evidence.set_weight(one.weight);
    }
    return {};
}

/// Why windows were not usable, and what else there is to know of what was seen.
std::vector<std::string> reasons_of(const Watched& watched, bool lost_is_told = false) {
    const auto& unusable = watched.findings.unusable();
    std::vector<std::string> reasons;
    for (Reason& refusal : refusals(unusable, watched.findings.usable() + unusable.size()))
        reasons.push_back(std::move(refusal.text));
    const auto remarks = remarks_on(watched, lost_is_told);
    reasons.insert(reasons.end(), remarks.begin(), remarks.end());
    return reasons;
}

void tell_interrupted() {
    if (interrupted)
        fmt::print(stderr, "intellisched: interrupted; this is of what was seen so far\n");
}

Result<int> guests(const GuestsArguments& options) {
    const Bundle bundle = TRY(bundle_path(options.watch.bundle).and_then(read_bundle));
    const auto models = TRY(Models::load(bundle));
    const auto watched = TRY(watch(options.watch, &models));
    tell_interrupted();
    const auto out = TRY(guests_of(watched, models));
    TRY(print(options.json ? json_output(out) : guests_text(out)));
    return watched.findings.usable() > 0 ? done : abstained;
}

/// The findings, or why there are none.
std::string_view verdict_of(const Watched& watched, bool found) {
    if (watched.findings.usable() == 0) return "abstain";
    if (found) return "found";
    const auto figures = watched.findings.guests().figures(watched.snapshot);
    const bool alone = count_wanting(figures) == 1;
    return std::ranges::all_of(
               figures, [&](const auto& guest) { return cause_of(guest, alone) == Cause::none; })
               ? "not-the-scheduler"
               : "settings";
}

Result<int> diagnose(const GuestsArguments& options) {
    const auto watched = TRY(watch(options.watch, nullptr));
    tell_interrupted();
    proto::Diagnosis out;
    out.set_pool(watched.facts.pool);
    out.set_windows(watched.findings.usable());
    for (const Findings::Finding& finding : watched.findings.list(watched.snapshot)) {
        auto& row = *out.add_findings();
        row.set_code(std::string(finding.code));
        row.set_text(finding.text);
        row.set_command(finding.command);
    }
    out.set_verdict(std::string(verdict_of(watched, out.findings_size() > 0)));
    for (const std::string& reason : reasons_of(watched, true)) out.add_reasons(reason);
    TRY(print(options.json ? json_output(out) : diagnosis_text(out)));
    return out.verdict() == "abstain" ? abstained : done;
}

std::shared_ptr<GuestsArguments> arguments_of(CLI::App& command) {
    auto options = std::make_shared<GuestsArguments>();
    options->watch.add_to(command);
    command.add_flag("--json", options->json, "print JSON");
    return options;
}

} // namespace

Result<proto::Guests> guests_of(const Watched& watched, const Models& models) {
    const PoolCures cures = cures_of(watched, models);
    const auto figures = watched.findings.guests().figures(watched.snapshot);
    proto::Guests out;
    out.set_pool(watched.facts.pool);
    out.set_windows(watched.findings.usable());
    out.set_cpus(watched.facts.cpus);
    for (const GuestFigures& guest : figures) {
        const Cause cause = cause_of(guest, count_wanting(figures) == 1);
        proto::GuestRow& row = *out.add_guests();
        set_row(row, guest, cause, help_for(cause, guest, cures));
        TRY(set_class(row, guest, models));
    }
    for (const std::string& reason : reasons_of(watched)) out.add_reasons(reason);
    return out;
}

void add_guests(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "guests", "what each guest of a cpupool got, for whom it waits, and what would help it");
    auto options = arguments_of(*command);
    options->watch.add_model_to(*command);
    command->callback([options, &action] { action = [options] { return guests(*options); }; });
}

void add_diagnose(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "diagnose", "name what is wrong in a cpupool and no matter of its layout or rate limit");
    auto options = arguments_of(*command);
    command->callback([options, &action] { action = [options] { return diagnose(*options); }; });
}

} // namespace intellisched::cli
