// SPDX-License-Identifier: MIT
// Tells whether Xen writes trace records, for no hypercall does: prints "on" when what a buffer
// holds grows within two seconds, else "off". A full buffer takes no records; so they are emptied
// first, unless another program has them and does that.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

extern "C" {
#include <xen/trace.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
}

namespace {

void* map(xenforeignmemory_handle* memory, int rights, const std::vector<xen_pfn_t>& frames) {
    return xenforeignmemory_map(memory, DOMID_XEN, rights, frames.size(), frames.data(), nullptr);
}

int failed(const char* what) {
    std::perror(what);
    return 1;
}

} // namespace

int main() {
    auto* xc = xc_interface_open(nullptr, nullptr, 0);
    auto* memory = xenforeignmemory_open(nullptr, 0);
    auto* events = xenevtchn_open(nullptr, 0);
    if (!xc || !memory || !events) return failed("tracing: no Xen");
    xen_sysctl sysctl{};
    sysctl.cmd = XEN_SYSCTL_tbuf_op;
    sysctl.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    sysctl.u.tbuf_op.cmd = XEN_SYSCTL_TBUFOP_get_info;
    if (xc_sysctl(xc, &sysctl) != 0) return failed("tracing: the state of the trace buffers");
    const auto& info = sysctl.u.tbuf_op;
    if (info.buffer_mfn == 0) { // there never were any
        std::puts("off");
        return 0;
    }

    // struct t_info: u16 pages a buffer, then a u16 for each CPU, where in words the list of its
    // buffer's frames begins; 0: it has none.
    std::vector<xen_pfn_t> frames;
    for (unsigned i = 0; i < info.size / XC_PAGE_SIZE; ++i) frames.push_back(info.buffer_mfn + i);
    const void* list = map(memory, PROT_READ, frames);
    if (!list) return failed("tracing: the list of the trace buffers");
    const auto* words = static_cast<const std::uint32_t*>(list);
    xc_physinfo_t physinfo{};
    if (xc_physinfo(xc, &physinfo) != 0) return failed("tracing: the number of CPUs");
    std::vector<volatile t_buf*> buffers;
    for (unsigned cpu = 0; cpu <= physinfo.max_cpu_id; ++cpu) {
        std::uint16_t offset = 0;
        std::memcpy(&offset, static_cast<const char*>(list) + 2 * (1 + cpu), sizeof offset);
        if (offset == 0) continue;
        void* buffer = map(memory, PROT_READ | PROT_WRITE, {words[offset]});
        if (!buffer) return failed("tracing: a trace buffer");
        buffers.push_back(static_cast<volatile t_buf*>(buffer));
    }

    const bool alone = xenevtchn_bind_virq(events, VIRQ_TBUF) >= 0;
    std::vector<std::uint32_t> before;
    for (auto* buffer : buffers) {
        if (alone) buffer->cons = buffer->prod;
        before.push_back(std::uint32_t{buffer->prod});
    }
    ::sleep(2);
    const bool grew = !std::equal(
        before.begin(), before.end(), buffers.begin(), buffers.end(),
        [](std::uint32_t was, const volatile t_buf* buffer) { return was == buffer->prod; });
    std::puts(grew ? "on" : "off");
    return 0;
}
