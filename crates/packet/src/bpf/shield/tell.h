/* What is counted and told: every packet by context and reason, some in full. */
#pragma once
#include "lists.h"

/* One packet in so many is told, and of each reason to drop the first ones. */
#define SAMPLE 256
#define TALLIES (sizeof(((struct tally *)0)->by) / sizeof(u64))

/* IPv6 addresses lie in the frame, which may have moved by the time of telling. */
INLINE void keep_addresses(struct packet *packet)
{
	struct scratch *kept = scratch();
	if (!packet->ip6 || !kept)
		return;
	copy_address(kept->event.source, packet->source6);
	copy_address(kept->event.target, packet->target6);
}

INLINE void tell_packet(struct packet *packet, u32 weight)
{
	struct scratch *kept = scratch();
	if (!kept)
		return;
	struct event *event = &kept->event;
	if (!packet->six) {
		event->source[0] = event->source[1] = event->target[0] = event->target[1] = 0;
		event->source[2] = event->target[2] = swap32(0xffff);
		event->source[3] = packet->source;
		event->target[3] = packet->target;
	}
	event->reason = packet->reason;
	event->weight = weight;
	event->ports = packet->ports;
	event->context = packet->context;
	event->protocol = packet->protocol;
	event->flags = packet->flags;
	event->length = packet->length;
	tell(&events, event, sizeof(*event), NO_WAKEUP);
}

INLINE void count_in_context(struct packet *packet, int verdict)
{
	u32 row = packet->context, reason = packet->reason;
	struct tally *tally = map_lookup(&tallies, &row);
	if (!tally || reason >= TALLIES)
		return;
	u64 count = ++tally->by[reason];
	if (unlikely(!(count & (SAMPLE - 1))))
		tell_packet(packet, SAMPLE);
	else if (verdict == XDP_DROP && count < SAMPLE && !(count & (count - 1)))
		tell_packet(packet, 0);
}
