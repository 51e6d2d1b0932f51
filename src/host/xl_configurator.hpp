// SPDX-License-Identifier: MIT
// The functions of libxl that tell and change a pool's configuration. Debian's libxl has none for
// the runqueues: those of the patched one (xen-patches) are looked for at run time, and one program
// works with both.
#pragma once

#include "src/host/configurator.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace intellisched {

/// As libxl_sched_credit2_runqueue; xl.cpp checks that if libxl.h has it.
struct XlRunqueue {
    int layout; ///< a libxl_credit2_runqueue, numbered as Layout is
    std::uint32_t max_cpus;
    std::uint32_t nr_runqueues;
};
static_assert(sizeof(XlRunqueue) == 12);

/// The errors of libxl that are told apart here; xl.cpp checks them against libxl.h.
namespace xl_error {
inline constexpr int failed = -3, not_implemented = -4, no_memory = -5, invalid = -6,
                     not_found = -23;
}

/// libxl_sched_credit2_runqueue_get and _set; null where libxl has none. The context is a
/// libxl_ctx.
struct RunqueueCalls {
    using Call = int (*)(void* context, std::uint32_t pool, XlRunqueue* info);
    Call get = nullptr;
    Call set = nullptr;
};

/// Those of the libxl that this program runs with.
[[nodiscard]] RunqueueCalls find_runqueue_calls();

/// libxl_sched_credit2_params_get and _set, as xl.cpp hands them on: `us` is the rate limit.
struct RateLimitCalls {
    using Call = int (*)(void* context, std::uint32_t pool, unsigned* us);
    Call get = nullptr;
    Call set = nullptr;
};

/// libxl_domain_sched_params_set, as xl.cpp hands it on, of a credit2 weight alone.
using WeightCall = int (*)(void* context, std::uint32_t domain, unsigned* weight);

class XlConfigurator final : public Configurator {
  public:
    /// `last_message`: where libxl's last log message is kept. It has the cause, which a call's
    /// return value lacks.
    XlConfigurator(RunqueueCalls runqueues, RateLimitCalls rate_limit, WeightCall set_weight,
                   void* context, std::string* last_message)
        : runqueues_(runqueues), rate_limit_(rate_limit), set_weight_(set_weight),
          context_(context), last_message_(last_message) {}

    [[nodiscard]] Result<InForce> layout(const Pool& pool) override;
    [[nodiscard]] Result<InForce> set_layout(const Pool& pool, const Arrangement& wanted) override;

    [[nodiscard]] Result<unsigned> rate_limit(const Pool& pool) override;
    [[nodiscard]] Result<unsigned> set_rate_limit(const Pool& pool, unsigned us) override;
    [[nodiscard]] Result<void> set_weight(unsigned domain, unsigned weight) override;

    /// As layout(), but nothing where libxl or the hypervisor is not patched.
    [[nodiscard]] Result<std::optional<InForce>> layout_if_told(const Pool& pool);

  private:
    template<class Info> [[nodiscard]] int call(int (*function)(void*, std::uint32_t, Info*),
                                                const Pool& pool, Info& info);
    [[nodiscard]] Result<void> outcome(int error, const Pool& pool, const std::string& what) const;
    [[nodiscard]] Result<InForce> in_force(int error, const Pool& pool, const XlRunqueue& info,
                                           const char* what) const;

    RunqueueCalls runqueues_;
    RateLimitCalls rate_limit_;
    WeightCall set_weight_;
    void* context_;
    std::string* last_message_;
};

} // namespace intellisched
