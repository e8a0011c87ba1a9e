package activity

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// resemblance of a new shape of a detail to the known ones.
type resemblance int

const (
	// strange: hardly anything of it is known.
	strange resemblance = iota
	// near: nearly all of it is known.
	near
	// ofKind: known ones differ from each other in the same way.
	ofKind
)

func (s *shapes) resemblance(d detail) resemblance {
	switch {
	case s.fits(d.shape), isCommand(d.name) && s.byHand(d.shape):
		return ofKind
	case isCommand(d.name) && s.near(d.shape), s.inNetwork(d.shape):
		return near
	}
	return strange
}

// isCommand: the detail is a program and its arguments.
func isCommand(name string) bool { return name == "command" || strings.HasSuffix(name, "cmdline") }

// handled is how many ways of calling a program show that people call it as they need it.
const handled = 3

// byHand says whether a command is that of a program which is called in several ways, with
// options that are known of it. What a program runs or reaches that runs or reaches
// anything is not known by its name.
func (s *shapes) byHand(shape string) bool {
	called := strings.Fields(shape)
	if len(called) == 0 || anything(called[0]) {
		return false
	}
	ways, known := 0, map[string]bool{}
	for other := range s.has {
		if words := strings.Fields(other); len(words) > 0 && words[0] == called[0] {
			ways++
			for _, word := range words {
				known[word] = true
			}
		}
	}
	return ways >= handled && !slices.ContainsFunc(called, func(word string) bool {
		return !known[word] && (option(word) || tells(word))
	})
}

// near says whether a command differs from a known one in few arguments that are plain words
// or paths.
func (s *shapes) near(shape string) bool {
	called := strings.Fields(shape)
	for known := range s.has {
		other := strings.Fields(known)
		if len(other) != len(called) {
			continue
		}
		differ := 0
		for i := range called {
			switch {
			case called[i] == other[i]:
			case i > 0 && !tells(called[i]) && plain(called[i], anything(called[0])) && plain(other[i], false):
				differ++
			default:
				differ = len(called)
			}
		}
		if len(called)-differ >= muchAlike*differ {
			return true
		}
	}
	return false
}

// inNetwork says whether a shape differs from a known one in addresses only, which are of
// the same networks.
func (s *shapes) inNetwork(shape string) bool {
	wider := networked(shape)
	return wider != shape && slices.ContainsFunc(slices.Collect(maps.Keys(s.has)), func(known string) bool { return networked(known) == wider })
}

// networked has networks in the place of addresses.
func networked(shape string) string {
	return addressed.ReplaceAllStringFunc(shape, func(text string) string {
		host, port, _ := strings.Cut(text, ":")
		address, err := netip.ParseAddr(host)
		if err != nil {
			return text
		}
		return network(address) + ":" + port
	})
}

var (
	plainWord = regexp.MustCompile(`^[A-Za-z0-9_` + left + leftDigits + `][A-Za-z0-9_` + left + leftDigits + `-]*$`)
	plainPath = regexp.MustCompile(`^(/[A-Za-z0-9_.` + left + leftDigits + `-]+)+/?$`)
)

// plain arguments are no options, addresses or expressions. Where the program runs what it is
// told to, a path is none.
func plain(argument string, runs bool) bool {
	return plainWord.MatchString(argument) || !runs && plainPath.MatchString(argument)
}

// runners are programs that run or reach whatever their arguments name.
var runners = strings.Fields(`
	sh bash dash ash zsh ksh fish busybox python python2 python3 perl ruby php node lua java awk gawk sed
	env sudo su doas xargs find watch timeout nohup setsid nice chroot nsenter unshare ssh sshd scp sftp rsync rclone
	curl wget nc ncat netcat socat telnet ftp tftp kubectl helm docker podman crictl ctr nerdctl git make tar vi vim ed`)

func anything(program string) bool {
	return slices.Contains(runners, program[strings.LastIndex(program, "/")+1:])
}

// sought are parts of words by which many know what they are after.
var sought = strings.Fields("root admin shadow sudoers passw token secret credential private id_rsa id_ed25519 id_ecdsa kubeconfig environ cron preload")

func tells(word string) bool {
	word = strings.ToLower(word)
	return slices.ContainsFunc(sought, func(part string) bool { return strings.Contains(word, part) })
}
