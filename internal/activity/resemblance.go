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
	command := isCommand(d.name)
	switch {
	case len(d.value) > maxShape: // its end is not known
		return strange
	case s.fits(d.shape, command), command && s.byHand(d.shape, handled):
		return ofKind
	case command && (s.near(d.shape) || s.byHand(d.shape, 1)), !command && s.inNetwork(d.shape):
		return near
	}
	return strange
}

// isCommand: the detail is a program and its arguments.
func isCommand(name string) bool { return name == "command" || strings.HasSuffix(name, "cmdline") }

// handled is in how many ways a program is called that people call as they need it.
const handled = 3

// lookers are programs that people call as they need them, and that only look.
var lookers = strings.Fields("tcpdump ss netstat lsof ps top df du free uptime ip ping ping6 traceroute tracepath mtr dig nslookup host date stat jcmd jstack")

// byHand says whether a command is that of a program which only looks and is called in so many
// ways, with options that are known of it.
func (s *shapes) byHand(shape string, wanted int) bool {
	called := strings.Fields(shape)
	if len(called) == 0 || !slices.Contains(lookers, base(called[0])) {
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
	return ways >= wanted && !slices.ContainsFunc(called, func(word string) bool {
		return option(word) && (!known[word] || strings.Contains(word, left)) || !known[word] && tells(word)
	})
}

// near says whether a command differs from a known one in few arguments that are plain words
// or paths. Of what runs anything, they come after the path of what it runs.
func (s *shapes) near(shape string) bool {
	called := strings.Fields(shape)
	if len(called) == 0 || strings.ContainsAny(shape, "\n\r|;&`$<>") || slices.Contains(changers, base(called[0])) {
		return false
	}
	script := 0
	if anything(called[0]) {
		if script = slices.IndexFunc(called[1:], func(word string) bool { return strings.HasPrefix(word, "/") }) + 1; script == 0 {
			return false
		}
	}
	return slices.ContainsFunc(slices.Collect(maps.Keys(s.has)), func(known string) bool {
		other := strings.Fields(known)
		return len(other) == len(called) && nearly(called, other, script)
	})
}

// nearly compares the arguments of two commands; up to a place they have to be the same.
func nearly(called, known []string, same int) bool {
	differ := 0
	for i, word := range called {
		switch {
		case word == known[i]:
		case i > same && !tells(word) && !anything(word) && !slices.Contains(changers, base(word)) && plain(word, same > 0) && plain(known[i], false):
			differ++
		default:
			return false
		}
	}
	return len(called)-differ >= muchAlike*differ
}

// inNetwork says whether a shape differs from a known one in addresses only, which are of
// the same networks.
func (s *shapes) inNetwork(shape string) bool {
	wider := networked(shape)
	return wider != shape && slices.ContainsFunc(slices.Collect(maps.Keys(s.has)), func(known string) bool { return networked(known) == wider })
}

// networked has networks in the place of addresses, as large as a provider gives one customer.
func networked(shape string) string {
	if strings.Count(shape, ".") < 3 {
		return shape
	}
	return addressed.ReplaceAllStringFunc(shape, func(text string) string {
		host, port, _ := strings.Cut(text, ":")
		address, err := netip.ParseAddr(host)
		if err != nil {
			return text
		}
		return netip.PrefixFrom(address, 20).Masked().String() + ":" + port
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
	sh bash dash ash zsh ksh fish busybox pwsh python perl ruby php node nodejs deno lua java awk gawk sed tclsh expect
	env sudo su doas gosu su-exec runuser setpriv xargs find watch timeout nohup setsid nice ionice stdbuf flock chroot nsenter unshare tini dumb-init
	ssh sshd scp sftp rsync rclone curl wget nc ncat netcat socat telnet ftp tftp aws gcloud az psql mysql
	kubectl helm docker podman crictl ctr nerdctl git make tar vi vim ed exec eval`)

// changers are programs and words that change or end what their arguments name.
var changers = strings.Fields("rm mv cp dd ln tee install chmod chown shred truncate kill pkill mkfs mount delete drop apply create patch scale stop halt poweroff reboot disable")

func anything(program string) bool {
	return slices.Contains(runners, strings.TrimRight(base(program), digits+"."+left+leftDigits))
}

func base(program string) string { return program[strings.LastIndex(program, "/")+1:] }

// sought are parts of words by which many know what they are after.
var sought = strings.Fields("root admin shadow sudoers passw token secret credential private id_rsa id_ed25519 id_ecdsa kubeconfig environ cron preload manifests pki systemd .sock")

func tells(word string) bool {
	word = strings.ToLower(word)
	return slices.ContainsFunc(sought, func(part string) bool { return strings.Contains(word, part) })
}
