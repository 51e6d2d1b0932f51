/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finding bits, in place of the hypervisor's own, which uses string instructions: on today's processors
 * they are slow to begin, and each decision of the scheduler looks for bits several times. A result of at
 * least `size` means that there is none.
 */
#include <xen/bitops.h>
#include <xen/lib.h>

static inline unsigned int find(const unsigned long *addr, unsigned int size, unsigned int offset,
                                unsigned long invert)
{
    unsigned int at = offset / BITS_PER_LONG, words = BITS_TO_LONGS(size);
    unsigned long ignored = ~0ul << (offset % BITS_PER_LONG);

    for ( ; at < words; at++, ignored = ~0ul )
    {
        unsigned long word = (addr[at] ^ invert) & ignored;

        if ( word )
            return at * BITS_PER_LONG + __builtin_ctzl(word);
    }
    return words * BITS_PER_LONG;
}

unsigned int __find_first_bit(const unsigned long *addr, unsigned int size)
{
    return find(addr, size, 0, 0);
}

unsigned int __find_next_bit(const unsigned long *addr, unsigned int size, unsigned int offset)
{
    return find(addr, size, offset, 0);
}

unsigned int __find_first_zero_bit(const unsigned long *addr, unsigned int size)
{
    return find(addr, size, 0, ~0ul);
}

unsigned int __find_next_zero_bit(const unsigned long *addr, unsigned int size, unsigned int offset)
{
    return find(addr, size, offset, ~0ul);
}
