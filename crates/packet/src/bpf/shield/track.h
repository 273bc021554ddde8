/* Does the packet belong to a connection? Of the kernel's own connections the kernel's table is asked: it is exact,
 * it knows what began before us, and no flood can push anybody out of it. NAT has a table of its own. */
#pragma once
#include "budgets.h"

enum found {
	FOUND_NONE,
	FOUND_LISTENER,
	FOUND_CONNECTION,
};

/* Addresses and ports lie in the packet as the kernel wants them: there are no IP options here. */
INLINE enum found find(struct xdp_md *ctx, struct packet *packet)
{
	struct socket *socket = !packet->six ? find_tcp(ctx, &packet->ip4->source, 12, OWN_NAMESPACE, 0)
					    : find_tcp(ctx, packet->ip6->source, 36, OWN_NAMESPACE, 0);
	if (!socket)
		return FOUND_NONE;
	enum found found = socket->state == SOCKET_LISTENS ? FOUND_LISTENER : FOUND_CONNECTION;
	release_socket(socket);
	return found;
}

/* Is there a UDP socket that talks with this sender and no other? */
INLINE int udp_answer(struct xdp_md *ctx, struct packet *packet)
{
	struct socket *socket = !packet->six ? find_udp(ctx, &packet->ip4->source, 12, OWN_NAMESPACE, 0)
					    : find_udp(ctx, packet->ip6->source, 36, OWN_NAMESPACE, 0);
	if (!socket)
		return 0;
	int connected = socket->peer_port != 0;
	release_socket(socket);
	return connected;
}

INLINE int holds_cookie(struct packet *packet)
{
	struct tcp *tcp = packet->body;
	if ((packet->flags & (TCP_SYN | TCP_RST | TCP_ACK)) != TCP_ACK)
		return 0;
	return !packet->six ? !check_cookie4(packet->ip4, tcp) : !check_cookie6(packet->ip6, tcp);
}

/* Of no connection. Some go on all the same: whoever lost its connection with us has to be told so by a RST. */
INLINE int stray(struct packet *packet)
{
	u32 row = packet->context;
	struct context *context = map_lookup(&contexts, &row);
	struct spending *spent = spending(packet);
	if (!context || !spent || all_admit(&spent->strays, &context->strays, coarse_nanoseconds()))
		return GO_ON;
	return drop(packet, REASON_NO_FLOW);
}

INLINE int track_tcp(struct xdp_md *ctx, struct packet *packet, enum reason reason)
{
	enum found found = find(ctx, packet);
	if (found == FOUND_CONNECTION)
		return pass(packet, reason);
	if (packet->unasked)
		return drop(packet, REASON_NOT_ALLOWED);
	if (found == FOUND_LISTENER && holds_cookie(packet))
		return pass(packet, reason);
	return stray(packet) == GO_ON ? pass(packet, reason) : XDP_DROP;
}

/* The way to the kernel's own stack. Only where the shield stands `strict` or `unasked` is ever set. */
INLINE int to_stack(struct xdp_md *ctx, struct packet *packet, enum reason reason)
{
	if (packet->strict && packet->protocol == PROTOCOL_TCP)
		return track_tcp(ctx, packet, reason);
	if (packet->unasked && !udp_answer(ctx, packet))
		return drop(packet, REASON_NOT_ALLOWED);
	return pass(packet, reason);
}
