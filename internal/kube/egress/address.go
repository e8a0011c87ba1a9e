package egress

import "net/netip"

// inside are addresses that lead nowhere outside: private, shared, link-local, loopback
// and multicast ones.
var inside = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("224.0.0.0/4"), netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("ff00::/8"),
}

// wholeBits: a prefix as long as this or shorter is as good as everything.
const wholeBits = 1

// addresses says how much of what is outside a block of addresses covers, without
// those that are excepted. What is no block is not known.
func addresses(cidr string, except []string) Outside {
	block, err := parse(cidr)
	if err != nil {
		return Unknown
	}
	if within(block, inside) {
		return Closed
	}
	found := Limited
	if block.Bits() <= wholeBits {
		found = Open
	}
	for _, e := range except {
		left, err := parse(e)
		switch {
		case err != nil:
			return Unknown
		case within(block, []netip.Prefix{left}):
			return Closed
		case !within(left, inside):
			found = Limited
		}
	}
	return found
}

// parse takes a single address for a block of one.
func parse(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	block, err := netip.ParsePrefix(text)
	return block.Masked(), err
}

func within(block netip.Prefix, all []netip.Prefix) bool {
	for _, one := range all {
		if one.Bits() <= block.Bits() && one.Contains(block.Addr()) {
			return true
		}
	}
	return false
}
