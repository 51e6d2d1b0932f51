# SPDX-License-Identifier: MIT
# Run in the laboratory's dom0: a capture of every phase of the plan, beside what the guests reported.
record_phase() {
    intellisched record --pool Pool-0 --seconds "$LAB_SECONDS" --out "$LAB_PHASE_OUT/capture" \
        --note "laboratory, phase $LAB_PHASE"
}
lab_phases record_phase
