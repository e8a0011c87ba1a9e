package activity

// A habit is in two chains: one of its table, one of its owner.
const (
	inTable = iota
	inOwner
)

type link struct{ prev, next *habit }

// chain of habits, the one that was not touched for longest first.
type chain struct {
	in          int
	first, last *habit
	length      int
}

func (c *chain) push(h *habit) {
	h.links[c.in] = link{prev: c.last}
	if c.last == nil {
		c.first = h
	} else {
		c.last.links[c.in].next = h
	}
	c.last = h
	c.length++
}

func (c *chain) remove(h *habit) {
	l := h.links[c.in]
	if l.prev == nil {
		c.first = l.next
	} else {
		l.prev.links[c.in].next = l.next
	}
	if l.next == nil {
		c.last = l.prev
	} else {
		l.next.links[c.in].prev = l.prev
	}
	h.links[c.in] = link{}
	c.length--
}

// levels of habits, the least usual first.
type levels [3]chain

func newLevels(in int) levels {
	var l levels
	for i := range l {
		l[i].in = in
	}
	return l
}

// least is the habit to do without when there are as many as the limit: one of the
// lowest level that has more than a quarter.
func (l *levels) least(limit int) *habit {
	for i := range l {
		if l[i].length > limit/(len(l)+1) {
			return l[i].first
		}
	}
	panic("levels are full and none has more than its part")
}
