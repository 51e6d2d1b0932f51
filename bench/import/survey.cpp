// SPDX-License-Identifier: MIT
#include "bench/import/survey.hpp"

namespace intellisched::imported {

void TraceSurvey::see(const trace::Record& record) {
    if (begin_ == 0) begin_ = record.tsc;
    end_ = record.tsc;
    ++records_[record.cpu];
    calibrator_(record);
    trace::visit(record, trace::Visitor{[&](const trace::RunstateChange& e) {
                                            if (e.to != trace::Runstate::running || e.vcpu.idle() ||
                                                too_many())
                                                return;
                                            ran_[{e.vcpu.domain, e.vcpu.vcpu}] = record.cpu;
                                            ran_on_.try_emplace(record.cpu, e.vcpu.domain,
                                                                e.vcpu.vcpu);
                                        },
                                        [](const auto&) {}});
}

} // namespace intellisched::imported
