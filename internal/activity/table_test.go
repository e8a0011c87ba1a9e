package activity

import (
	"fmt"
	"testing"
	"time"
)

// size checks that a table is what its parts say, and returns how many habits it has.
func size(t *testing.T, table *table) int {
	t.Helper()
	inLevels, inOwners := 0, 0
	for _, level := range table.levels {
		found := 0
		for h := level.first; h != nil; h = h.links[inTable].next {
			found++
		}
		if found != level.length {
			t.Errorf("a level holds %d habits and says %d", found, level.length)
		}
		inLevels += found
	}
	for name, o := range table.owners {
		of := 0
		for _, level := range o.levels {
			for h := level.first; h != nil; h = h.links[inOwner].next {
				if h.owner != o || h.who != name {
					t.Errorf("a habit of %q is with %q", h.who, name)
				}
				of++
			}
		}
		if of != o.count || of == 0 || of > table.share {
			t.Errorf("%q has %d habits and says %d; at most %d", name, of, o.count, table.share)
		}
		inOwners += of
	}
	if len(table.all) != inLevels || len(table.all) != inOwners {
		t.Errorf("%d habits, %d in levels, %d of owners", len(table.all), inLevels, inOwners)
	}
	return len(table.all)
}

// usually repeats a habit in some different hours before noon.
func usually(table *table, who, what string, hours int) {
	for i := range hours {
		table.seen(who, what, noon.Add(time.Duration(i-hours)*time.Hour))
	}
}

// TestFloods: new names do not push out what others have done for long.
func TestFloods(t *testing.T) {
	const limit = 1600
	// flood sees sets of names, each set in some different hours before the next begins.
	flood := func(owners, names, hours, sets int) func(*table) {
		return func(table *table) {
			for i := range sets * hours * names {
				set, hour, name := i/(hours*names), i/names, i%names
				table.seen(fmt.Sprintf("flood-%d", name%owners), fmt.Sprintf("%d-%d", set, name), noon.Add(time.Duration(hour)*time.Hour))
			}
		}
	}
	tests := map[string]struct {
		flood func(*table)
		// hours in which each habit was seen that is still known after it.
		wantKnown []int
	}{
		"no flood":                         {flood(1, 0, 0, 0), []int{1, 3, 30}},
		"one owner, once":                  {flood(1, limit, 1, 10), []int{1, 3, 30}},
		"one owner, for two days":          {flood(1, limit, 48, 2), []int{1, 3, 30}},
		"one owner, with all it may":       {flood(1, limit/shares, 48, 10), []int{1, 3, 30}},
		"many owners, once":                {flood(1000, limit, 1, 10), []int{3, 30}},
		"many owners, all again and again": {flood(1000, limit, 48, 1), []int{3, 30}},
		"many owners, in a few hours":      {flood(1000, limit/4, 3, 8), []int{1, 30}},
		"many owners, in many hours each":  {flood(1000, limit/4, 30, 8), []int{1, 3}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			table := newTable(limit, limit/shares)
			for _, hours := range []int{1, 3, 30} {
				usually(table, "web", fmt.Sprint(hours), hours)
			}
			test.flood(table)
			size(t, table)
			var known []int
			for _, hours := range []int{1, 3, 30} {
				if table.about("web", fmt.Sprint(hours), noon).SeenBefore {
					known = append(known, hours)
				}
			}
			if fmt.Sprint(known) != fmt.Sprint(test.wantKnown) {
				t.Errorf("known are those of %v hours, want %v", known, test.wantKnown)
			}
		})
	}
}

// TestBaselineAge: memory never calls itself older than what it certainly still holds.
func TestBaselineAge(t *testing.T) {
	const day = 24 * time.Hour
	later := noon.Add(10 * day)
	tests := map[string]struct {
		happens     func(*table)
		who         string
		want        time.Duration
		wantCrowded bool
	}{
		"nothing":         {func(*table) {}, "web", 0, false},
		"since the first": {func(t *table) { t.seen("other", "a", noon) }, "web", 10 * day, false},
		"something late does not make it older": {
			func(t *table) { t.seen("other", "a", noon); t.seen("other", "a", noon.Add(-100*day)) }, "web", 10 * day, false,
		},
		"not older than the horizon": {func(t *table) { t.seen("other", "a", later.Add(-10*Horizon)) }, "web", Horizon, false},
		"an owner's own flood makes its memory crowded": {
			func(t *table) {
				t.seen("web", "a", noon)
				for i := range 50 {
					t.seen("web", fmt.Sprint(i), noon.Add(5*day))
				}
			}, "web", 10 * day, true,
		},
		"another's flood does not": {
			func(t *table) {
				t.seen("web", "a", noon)
				for i := range 50 {
					t.seen("other", fmt.Sprint(i), noon.Add(5*day))
				}
			}, "web", 10 * day, false,
		},
		"what was usual and is lost makes it young": {
			func(t *table) {
				t.seen("web", "a", noon)
				for hour := range 2 {
					for i := range 50 {
						t.seen("web", fmt.Sprint(i), noon.Add(5*day+time.Duration(hour)*time.Hour))
						t.seen("web", fmt.Sprint(i), noon.Add(5*day+time.Duration(hour+1)*time.Hour))
					}
				}
			}, "web", 5*day - 2*time.Hour, false,
		},
		"whoever was lost may have had a past": {
			func(t *table) {
				for i := range 1000 {
					t.seen(fmt.Sprint(i), "a", noon)
				}
			}, "web", 10 * day, false,
		},
		"whoever was lost later may have done anything once": {
			func(t *table) {
				for i := range 1000 {
					t.seen(fmt.Sprint(i), "a", noon.Add(time.Duration(i)*time.Second))
				}
			}, "web", 10 * day, true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			table := newTable(160, 10)
			test.happens(table)
			size(t, table)
			age, crowded := table.age(test.who, later)
			if age != test.want || crowded != test.wantCrowded {
				t.Errorf("age %s, crowded %v, want %s, %v", age, crowded, test.want, test.wantCrowded)
			}
		})
	}
}

func TestForgetting(t *testing.T) {
	table := newTable(100, 100)
	usually(table, "web", "a", 200)
	tests := map[string]struct {
		at        time.Time
		want      bool
		wantHours int
	}{
		"at once":                      {noon, true, 197},
		"after half the horizon":       {noon.Add(Horizon / 2), true, 158},
		"after a little less than all": {noon.Add(Horizon - 2*time.Hour), true, 127},
		"after all":                    {noon.Add(Horizon), false, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if f := table.about("web", "a", test.at); f.SeenBefore != test.want || f.Hours != test.wantHours {
				t.Errorf("seen before %v in %d hours, want %v in %d", f.SeenBefore, f.Hours, test.want, test.wantHours)
			}
		})
	}
	t.Run("what comes back begins anew", func(t *testing.T) {
		back := noon.Add(2 * Horizon)
		table.seen("web", "a", back)
		if f := table.about("web", "a", back.Add(time.Hour)); !f.FirstSeen.Equal(back) || f.Hours != 1 {
			t.Errorf("first seen %s, in %d hours", f.FirstSeen, f.Hours)
		}
		if f := table.about("web", "a", back); f.SeenBefore {
			t.Errorf("it was seen before at %s", f.FirstSeen)
		}
		size(t, table)
	})
}

// TestOnceADay: what is done once a day is usual after twelve weeks, for the question that
// asks for 72 hours.
func TestOnceADay(t *testing.T) {
	for days, want := range map[int]bool{60: false, 86: true} {
		table := newTable(100, 100)
		for day := range days {
			table.seen("backup", "list", noon.Add(time.Duration(day-days)*24*time.Hour))
		}
		if f := table.about("backup", "list", noon); f.Hours >= 72 != want {
			t.Errorf("after %d days it counts %d hours", days, f.Hours)
		}
	}
}

// BenchmarkTable shows that a habit costs the same however many there are, while names
// are pushed out as well.
func BenchmarkTable(b *testing.B) {
	for _, limit := range []int{1 << 10, 1 << 18} {
		for name, repeat := range map[string]int{"known": limit / 2, "flood": limit * 4} {
			b.Run(fmt.Sprintf("%s/%d", name, limit), func(b *testing.B) {
				table, what := newTable(limit, limit/shares), make([]string, repeat)
				for i := range what {
					what[i] = fmt.Sprint(i)
					table.seen(what[i%97], what[i], noon)
				}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					table.seen(what[i%repeat%97], what[i%repeat], noon.Add(time.Duration(i)*time.Millisecond))
				}
			})
		}
	}
}
