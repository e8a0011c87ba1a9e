// Package queue is a queue in memory that hands out the most urgent first, and of one
// level what came first.
package queue

import "container/heap"

// Queue of values that wait. Its zero value is empty; only one goroutine may use it at a time.
type Queue[T any] struct {
	line    line[T]
	arrived int
}

// Place of a value in a queue.
type Place[T any] struct {
	value          T
	level          int
	arrival, index int
}

// Len is how many wait.
func (q *Queue[T]) Len() int { return len(q.line) }

// Push has a value wait at a level; the highest level comes first.
func (q *Queue[T]) Push(value T, level int) *Place[T] {
	q.arrived++
	p := &Place[T]{value: value, level: level, arrival: q.arrived}
	heap.Push(&q.line, p)
	return p
}

// Raise lifts what waits to a level, unless it is higher already. Among those of its
// level it has the place of when it came.
func (q *Queue[T]) Raise(p *Place[T], level int) {
	if p.index >= 0 && level > p.level {
		p.level = level
		heap.Fix(&q.line, p.index)
	}
}

// Remove takes out what waits.
func (q *Queue[T]) Remove(p *Place[T]) {
	if p.index >= 0 {
		heap.Remove(&q.line, p.index)
	}
}

// Pop takes out the first; there must be one.
func (q *Queue[T]) Pop() T { return heap.Pop(&q.line).(*Place[T]).value }

// Waits says whether the value is in the queue still.
func (p *Place[T]) Waits() bool { return p.index >= 0 }

// line is a heap.
type line[T any] []*Place[T]

func (l line[T]) Len() int { return len(l) }

func (l line[T]) Less(a, b int) bool {
	if l[a].level != l[b].level {
		return l[a].level > l[b].level
	}
	return l[a].arrival < l[b].arrival
}

func (l line[T]) Swap(a, b int) {
	l[a], l[b] = l[b], l[a]
	l[a].index, l[b].index = a, b
}

// Push implements heap.Interface.
func (l *line[T]) Push(x any) {
	p := x.(*Place[T])
	p.index = len(*l)
	*l = append(*l, p)
}

// Pop implements heap.Interface.
func (l *line[T]) Pop() any {
	last := len(*l) - 1
	p := (*l)[last]
	p.index, (*l)[last] = -1, nil
	*l = (*l)[:last]
	return p
}
