/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_RWLOCK_H
#define SIM_XEN_RWLOCK_H

#define sim_rwlock_release(lock) \
    ({ if ( (atomic_read(&(lock)->cnts) & _QW_WMASK) == _QW_LOCKED ) \
           sim_lock_released(&(lock)->lock.debug); })
#include_next <xen/rwlock.h>

#endif
