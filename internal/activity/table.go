package activity

import (
	"iter"
	"time"
)

// table holds habits: what somebody does, runs or talks to again and again. Every
// operation costs the same however much it holds.
//
// When it is full, or when one owner has as much as one may, something is pushed
// out. Habits are on three levels: seen in one hour, in two to 23, and in 24 or more
// different hours. Each level has a quarter of the room for itself, and the lowest one
// with more than that loses what was not touched for longest. So who floods memory
// with names pushes out other names that were seen once, but not what others have done
// for long: for that, many owners would have to repeat their floods in many hours.
type table struct {
	// limit of habits in all, and share of one owner.
	limit, share int
	all          map[key]*habit
	owners       map[string]*owner
	levels       levels
	// since is when the first thing was remembered, in microseconds since 1970; 0 for never.
	since int64
	lost  lost
}

// shares is how many owners it takes to fill a table.
const shares = 16

type key struct{ who, what string }

type habit struct {
	key
	history
	owner *owner
	level int
	links [2]link
	// actor is there in the table of actors alone.
	actor *actor
}

// owner is whoever or whatever has habits.
type owner struct {
	levels levels
	count  int
	// first time that anything was seen of it, in microseconds since 1970; 0 for never.
	first int64
	lost  lost
}

// habits of the owner, in no particular order.
func (o *owner) habits() iter.Seq[*habit] {
	return func(yield func(*habit) bool) {
		for i := range o.levels {
			for h := o.levels[i].first; h != nil; h = h.links[inOwner].next {
				if h.first != 0 && !yield(h) {
					return
				}
			}
		}
	}
}

// lost tells until when what happened may have been pushed out of memory, in
// microseconds since 1970; 0 if nothing was.
type lost struct {
	// Once is about what was seen in one hour only, Usual about all else.
	Once  int64 `json:"once,omitempty"`
	Usual int64 `json:"usual,omitempty"`
}

func (l *lost) add(h *habit) {
	if h.history.level() == 0 {
		l.Once = max(l.Once, h.last)
	} else {
		l.Usual = max(l.Usual, h.last)
	}
}

func (l *lost) merge(other lost) {
	l.Once, l.Usual = max(l.Once, other.Once), max(l.Usual, other.Usual)
}

// newTable of at most limit habits, of which one owner has at most share.
func newTable(limit, share int) *table {
	return &table{
		limit: limit, share: max(share, 1), all: map[key]*habit{}, owners: map[string]*owner{}, levels: newLevels(inTable),
	}
}

// habit returns what is remembered of a habit, as touched last; it is made if there is none.
func (t *table) habit(who, what string) *habit {
	k := key{who, what}
	h, ok := t.all[k]
	if ok {
		t.levels[h.level].remove(h)
		h.owner.levels[h.level].remove(h)
	} else {
		h = &habit{key: k, owner: t.room(who)}
		h.owner.count++
		t.all[k] = h
	}
	t.place(h)
	return h
}

// saw counts a habit once more.
func (t *table) saw(h *habit, at time.Time) {
	h.saw(at)
	t.settle(h)
	t.began(at)
}

// seen counts what somebody does, runs or talks to.
func (t *table) seen(who, what string, at time.Time) { t.saw(t.habit(who, what), at) }

// began: memory is at least as old as what happens now. What comes late does not make it older.
func (t *table) began(at time.Time) {
	if t.since == 0 {
		t.since = at.UnixMicro()
	}
}

// settle puts a habit where its history belongs.
func (t *table) settle(h *habit) {
	if h.history.level() != h.level {
		t.levels[h.level].remove(h)
		h.owner.levels[h.level].remove(h)
		t.place(h)
	}
	if h.owner.first == 0 || h.first < h.owner.first {
		h.owner.first = h.first
	}
}

func (t *table) place(h *habit) {
	h.level = h.history.level()
	t.levels[h.level].push(h)
	h.owner.levels[h.level].push(h)
}

// room returns an owner that may have one habit more.
func (t *table) room(who string) *owner {
	o := t.owners[who]
	switch {
	case o != nil && o.count >= t.share:
		t.push(o.levels.least(t.share))
	case len(t.all) >= t.limit:
		t.push(t.levels.least(t.limit))
	}
	if o = t.owners[who]; o == nil { // it may have lost its only habit
		o = &owner{levels: newLevels(inOwner), lost: t.lost}
		t.owners[who] = o
	}
	return o
}

// push a habit out.
func (t *table) push(h *habit) {
	delete(t.all, h.key)
	t.levels[h.level].remove(h)
	h.owner.levels[h.level].remove(h)
	h.owner.count--
	h.owner.lost.add(h)
	if h.owner.count == 0 {
		t.lost.merge(h.owner.lost)
		delete(t.owners, h.who)
	}
}

// Familiarity tells how well known something was at a moment. Nothing that happened
// at the moment or later makes it better known.
type Familiarity struct {
	// SeenBefore: it happened before. FirstSeen is when, and zero if it did not.
	SeenBefore bool
	FirstSeen  time.Time
	// Known is how long before the moment that was; 0 if it did not.
	Known time.Duration
	// Count and Hours say how often and in how many different hours, not counting the
	// hour of the moment. What is long ago counts less.
	Count, Hours int
	// BaselineAge is how long before the moment memory begins; with a young memory everything looks new.
	BaselineAge time.Duration
	// Crowded: there was so much that what was seen in a single hour since memory begins may be forgotten.
	Crowded bool
}

const (
	// usualHours and usualSince: what was seen in as many different hours, for the first time
	// so long ago, is usual.
	usualHours = 4
	usualSince = 14 * 24 * time.Hour
	// steadyHours and steadySince: so is what hardly stopped for so long.
	steadyHours = 96
	steadySince = 7 * 24 * time.Hour
)

// Usual is what has happened again and again for weeks, or all the time for a week.
func (f Familiarity) Usual() bool {
	return f.Hours >= usualHours && f.Known >= usualSince || f.Hours >= steadyHours && f.Known >= steadySince
}

// about tells how familiar a habit was.
func (t *table) about(who, what string, before time.Time) Familiarity {
	var f Familiarity
	f.BaselineAge, f.Crowded = t.age(who, before)
	if h, ok := t.all[key{who, what}]; ok && h.seenBefore(before) {
		f.SeenBefore, f.FirstSeen = true, moment(h.first)
		f.Known = before.Sub(f.FirstSeen)
		f.Count, f.Hours = h.before(before)
	}
	return f
}

// age of what is known of an owner, or of one that is not known.
func (t *table) age(who string, before time.Time) (age time.Duration, crowded bool) {
	gone := t.lost
	if o := t.owners[who]; o != nil {
		gone = o.lost
	}
	since := max(t.since, gone.Usual)
	if t.since == 0 || since >= before.UnixMicro() {
		return 0, false
	}
	age = min(before.Sub(moment(since)), Horizon)
	return age, gone.Once > before.Add(-age).UnixMicro()
}

// knew says whether anything was seen of an owner before a moment.
func (t *table) knew(who string, before time.Time) bool {
	o := t.owners[who]
	return o != nil && o.first != 0 && o.first < before.UnixMicro()
}
