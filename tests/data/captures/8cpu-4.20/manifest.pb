!…\Ó∫
intellischedmanifestúê‡ÉÔîintellisched 0.1.0, importPool-0"
4.20.5-pre*§console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all sched=credit2 cpuidle=0 bootscrub=0 spec-ctrl=no xpti=no pv-l1tf=no dom0_mem=840M,max:840M dom0_max_vcpus=22socket8@ò∫ûPñÈÓ†X÷Çı÷æ`rimported from xentrace.bin