/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Xen's heap: free lists by size in memory at a fixed address, since the addresses of locks decide in
 * which order they are taken. What is freed is used again as late as possible, for ASan to see uses
 * after that.
 */
#include <xen/lib.h>
#include <xen/string.h>
#include <xen/xmalloc.h>
#include "shim.h"

#define UNIT 128        /* alignment of all blocks, and size of their heads */
#define CLASSES 64

struct block {
    size_t size;        /* without the head */
    struct block *next; /* while it is free */
};

static struct {
    char *next, *end;
    struct {
        struct block *first, *last;
    } free[CLASSES];
    unsigned int until_failure; /* allocations; 0: none fails */
} heap;

void sim_heap_init(void *memory, size_t size)
{
    heap.next = memory;
    heap.end = heap.next + size;
}

void xen_fail_allocation(unsigned int nth)
{
    heap.until_failure = nth;
}

/* Up to 4 KiB by UNIT, then by powers of two. */
static unsigned int class_of(size_t size, size_t *rounded)
{
    unsigned int order = 12;

    if ( size <= 4096 )
    {
        *rounded = ROUNDUP(size ?: 1, UNIT);
        return *rounded / UNIT - 1;
    }
    while ( (1ul << order) < size )
        order++;
    *rounded = 1ul << order;
    return 4096 / UNIT + order - 12;
}

void *_xmalloc(unsigned long size, unsigned long align)
{
    size_t rounded;
    unsigned int class = class_of(size, &rounded);
    struct block *block = class < CLASSES ? heap.free[class].first : NULL;

    ASSERT(align <= UNIT);
    if ( class >= CLASSES || (heap.until_failure && --heap.until_failure == 0) )
        return NULL;
    if ( block )
    {
        engine_unpoison(block, UNIT + rounded);
        heap.free[class].first = block->next;
    }
    else
    {
        if ( heap.end - heap.next < UNIT + rounded )
            return NULL;
        block = (struct block *)heap.next;
        heap.next += UNIT + rounded;
        block->size = rounded;
    }
    /* Head and rounding are what lies between blocks. */
    engine_poison((char *)block + sizeof(*block), UNIT - sizeof(*block));
    engine_poison((char *)block + UNIT + ROUNDUP(size, 8), rounded - ROUNDUP(size, 8));
    return (char *)block + UNIT;
}

void *_xzalloc(unsigned long size, unsigned long align)
{
    void *memory = _xmalloc(size, align);

    return memory ? memset(memory, 0, size) : NULL;
}

void xfree(void *memory)
{
    struct block *block = memory ? (struct block *)((char *)memory - UNIT) : NULL;
    unsigned int class;
    size_t rounded;

    if ( !block )
        return;
    class = class_of(block->size, &rounded);
    block->next = NULL;
    if ( heap.free[class].first )
        heap.free[class].last->next = block;
    else
        heap.free[class].first = block;
    heap.free[class].last = block;
    engine_poison(memory, block->size);
}
