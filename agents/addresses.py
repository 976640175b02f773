"""Which IP addresses belong to the public Internet, and not to this machine, its network, or its cloud."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

# Written down, as what Python's `is_global` says differs between its versions, and calls multicast and 6to4 global.
NOT_PUBLIC_4 = [
    IPv4Network(each)
    for each in (
        "0.0.0.0/8",  # this machine
        "10.0.0.0/8",
        "100.64.0.0/10",  # behind the provider's NAT, and one cloud's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # looks public, and is the inner side of a cloud
        "169.254.0.0/16",  # link-local, and most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
]
# All that is given out for the public; loopback, mapped IPv4, private, link-local, site-local and multicast are outside of it.
UNICAST_6 = IPv6Network("2000::/3")
NOT_PUBLIC_6 = [
    IPv6Network(each)
    for each in (
        "2001::/23",  # protocols: Teredo with an IPv4 address inside, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, with an IPv4 address inside
        "3ffe::/16",  # the experiment before
        "3fff::/20",  # documentation
    )
]
# How a network without IPv4 reaches it: the last 32 bits are what counts.
NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether this address is one of the public Internet's."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_PUBLIC_4)
    if address.scope_id:
        return False
    if address in NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    return address in UNICAST_6 and not any(address in network for network in NOT_PUBLIC_6)
