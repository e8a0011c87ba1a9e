package activity

import (
	"math"
	"time"
)

const (
	// maxHours is how many of the latest hours are counted apart.
	maxHours = 8
	// halfLife, in hours, of what is counted in older hours: half a year. A shorter one
	// would keep what is done once a day from ever being usual.
	halfLife = 180 * 24
	// Horizon is how far back memory reaches at most: what was not seen for as long is
	// forgotten, and no baseline calls itself older.
	Horizon = 120 * 24 * time.Hour
)

// history of something that happens again and again. The latest hours are counted
// apart, so that what happened before a moment can be told from what an intruder
// repeats after it; older ones are one sum that decays.
type history struct {
	// first and last in microseconds since 1970; 0 for never.
	first, last int64
	// older counts what is not in hours, and olderHours in how many hours that was, both as of decayed.
	older, olderHours float32
	decayed           int32
	// hours in order; n of them are used.
	hours [maxHours]hour
	n     uint8
}

// hour counts from 1970.
type hour struct {
	start int32
	count uint32
}

func hourOf(at time.Time) int32 { return int32(at.Unix() / 3600) }

func (h *history) saw(at time.Time) {
	if h.forgotten(at) {
		*h = history{}
	}
	h.noticed(at)
	start := hourOf(at)
	for i := range h.used() {
		if h.hours[i].start == start {
			h.hours[i].count++
			return
		}
	}
	if h.n == maxHours && start < h.hours[0].start {
		h.older++
		return
	}
	h.insert(hour{start: start, count: 1})
}

// noticed counts nothing: it is for what was counted before.
func (h *history) noticed(at time.Time) {
	moment := at.UnixMicro()
	if h.first == 0 || moment < h.first {
		h.first = moment
	}
	h.last = max(h.last, moment)
}

func (h *history) used() []hour { return h.hours[:h.n] }

// insert keeps hours in order.
func (h *history) insert(new hour) {
	if h.n == maxHours {
		h.decay(h.hours[0].start)
		h.older += float32(h.hours[0].count)
		h.olderHours++
		copy(h.hours[:], h.hours[1:])
		h.n--
	}
	i := int(h.n)
	for ; i > 0 && new.start < h.hours[i-1].start; i-- {
		h.hours[i] = h.hours[i-1]
	}
	h.hours[i] = new
	h.n++
}

func (h *history) decay(until int32) {
	if until > h.decayed {
		left := float32(remains(until-h.decayed, halfLife))
		h.older, h.olderHours, h.decayed = h.older*left, h.olderHours*left, until
	}
}

// remains is what is left of one after some time with a half-life.
func remains(time, halfLife int32) float64 { return math.Exp2(-float64(time) / float64(halfLife)) }

// before counts what certainly happened before a moment: how often, and in how many
// different hours. The hour of the moment itself does not count.
func (h *history) before(moment time.Time) (count, hours int) {
	limit := hourOf(moment)
	var sum, in float64
	if h.n > 0 && h.hours[0].start < limit {
		left := remains(max(limit-h.decayed, 0), halfLife)
		sum, in = float64(h.older)*left, float64(h.olderHours)*left
	}
	for _, x := range h.used() {
		if x.start < limit {
			sum += float64(x.count)
			in++
		}
	}
	return int(math.Round(sum)), int(math.Round(in))
}

// seenBefore says whether it certainly happened before a moment and was not forgotten since.
func (h *history) seenBefore(moment time.Time) bool {
	return h.first != 0 && h.first < moment.UnixMicro() && !h.forgotten(moment)
}

func (h *history) forgotten(at time.Time) bool {
	return h.last != 0 && at.UnixMicro()-h.last > Horizon.Microseconds()
}

// level of a history: how hard it is to push out of memory.
func (h *history) level() int {
	switch hours := h.olderHours + float32(h.n); {
	case hours < 2:
		return 0
	case hours < 24:
		return 1
	}
	return 2
}

// moment is the time of microseconds since 1970, and zero for 0.
func moment(micro int64) time.Time {
	if micro == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micro).UTC()
}
