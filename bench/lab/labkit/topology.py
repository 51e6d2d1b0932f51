# SPDX-License-Identifier: MIT
"""The emulated machines one can ask for by name."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Topology:
    """A machine: `cores` per socket, `threads` per core, sockets spread over `nodes`."""

    name: str
    sockets: int
    cores: int
    threads: int
    nodes: int
    memory: int      # MiB, all of the machine
    guest_memory: int  # MiB, what a plan's guests may have together
    dom0_vcpus: int
    shows: str       # which credit2 layouts are different partitions here

    @property
    def cpus(self):
        return self.sockets * self.cores * self.threads

    def qemu_args(self):
        smp = f"{self.cpus},sockets={self.sockets},cores={self.cores},threads={self.threads}"
        args = ["-smp", smp, "-m", str(self.memory)]
        if self.nodes == 1:
            return args
        # QEMU hands CPU numbers out thread by thread, core by core, socket by
        # socket, so an even split gives each node whole sockets.
        share = self.cpus // self.nodes
        for node in range(self.nodes):
            first, last = node * share, (node + 1) * share - 1
            args += [
                "-object", f"memory-backend-ram,id=ram{node},size={self.memory // self.nodes}M",
                "-numa", f"node,nodeid={node},cpus={first}-{last},memdev=ram{node}",
            ]
        return args


TOPOLOGIES = {
    topology.name: topology
    for topology in (
        Topology("16cpu-4s-2n", 4, 2, 2, 2, 4096, 2048, 2, "cpu, core, socket, node and all all differ"),
        Topology("8cpu-2s", 2, 2, 2, 1, 3072, 1280, 2, "cpu, core and socket differ; node is all"),
        Topology("4cpu-1s", 1, 2, 2, 1, 2560, 1024, 2, "cpu and core differ; socket, node are all"),
    )
}
