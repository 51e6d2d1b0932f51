!É\îº
intellischedmanifest«b¶s£intellisched 0.1.0Pool-0"4.17.7*ºconsole=com1 com1=115200,8n1 loglvl=all guest_loglvl=all sched=credit2 cpuidle=0 bootscrub=0 spec-ctrl=no xpti=no pv-l1tf=no dom0_mem=886M,max:886M dom0_max_vcpus=2 credit2_runqueue=core2core8@ ºHØšáİÉÀîôPøö©ê
X©Ú’–•`rlaboratory, phase mixed