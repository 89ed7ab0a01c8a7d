package web

import (
	"strings"
	"testing"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/node/web/chromium"
)

const (
	word  = `document.querySelector("#state-word").textContent`
	why   = `document.querySelector("#state-why").textContent`
	line  = `document.querySelector("#line").textContent`
	peers = `[...document.querySelectorAll("#peers-table tbody tr")].map((r) => r.textContent)`
	curve = `document.querySelector("#curve").getAttribute("aria-label")`
	place = `Number(` + curve + `.match(/is .* at round ([\d,]+)$/)?.[1].replace(",", ""))`
)

// TestPage is a visit: a person sees four peers learn and one go, pauses, resumes and leaves.
func TestPage(t *testing.T) {
	s := newSwarm(4, 300, 1)
	url, _ := serveSwarm(t, s, anywhere, 1)
	b := chromium.Open(t, url, url+"#"+token)
	b.Look(1280, 900, "light")

	b.Until("this node and four peers are shown", peers+`.length === 5`)
	for i, path := range []string{"this node", "direct", "LAN", "direct", "relayed"} {
		id := peerID(i).Short()
		b.Until(id+" is shown", peers+`.some((r) => r.includes("`+id+`") && r.includes("`+path+`") && r.includes("Training"))`)
	}
	b.Until("what it does is said", word+` === "Training" && `+why+` === "It learns together with others."`)
	b.Until("the curve is drawn", `document.querySelectorAll("#curve canvas").length === 1 && `+place+` >= 300`)
	begun := chromium.Eval[int](b, place)
	b.Until("the curve grows", place+` > `+str(begun)+` + 1`)
	if hash := chromium.Eval[string](b, "location.hash"); hash != "" {
		t.Errorf("the address shows %s", hash)
	}

	s.gone(1)
	b.Until("a peer is gone", peers+`.some((r) => r.includes("`+peerID(2).Short()+`") && r.includes("Gone"))`)
	b.Until("it is told to those who hear", `document.querySelector("#news").textContent === "Gone: `+peerID(2).Short()+`"`)
	s.trouble()
	b.Until("what is wrong is said", `[...document.querySelectorAll("#alerts article")].map((a) => a.textContent).join().includes("Problem: The disk cannot be used: no space left.")`)
	b.Until("it is told, too", `document.querySelector("#news").textContent.includes("problem: the disk cannot be used")`)
	b.Until("a flag is shown", peers+`[1].includes("two updates for one round")`)

	b.Until("who was in a round", `(() => {
		const round = document.querySelector("#rounds-table tbody tr"), more = round.querySelector("details");
		more.open = true;
		return more.textContent.includes("In`+s.State().Peer.Short()+`") && more.textContent.includes("own update out after 1.0 s");
	})()`)

	b.Click(`#controls [data-for="15m"]`)
	b.Until("it is paused", word+` === "Paused" && `+why+`.startsWith("Paused by hand until ")`)
	if p := s.State().Policy.Pause; !p.On || p.Until.IsZero() {
		t.Errorf("the node's pause is %+v", p)
	}
	b.Until("it says who decided", `document.querySelector("#state-by").textContent.startsWith("Decided by a person; it may change at ")`)
	chromium.Eval[any](b, `document.querySelector("#resume").focus()`)
	b.Press("Enter")
	b.Until("it goes on", word+` === "Training"`)
	b.Until("who uses keys is not lost", `document.activeElement.id === "machine"`)
	if p := s.State().Policy.Pause; p.On {
		t.Errorf("the node's pause is %+v", p)
	}

	b.Click("#limits summary")
	chromium.Eval[any](b, `document.querySelector("[name=up_mbit]").select()`)
	b.Press("35")
	b.Press("Enter")
	b.Until("limits are set", `document.querySelector("#limits-said").textContent === "Set." && document.querySelector("#machine-facts").textContent.includes("35 Mbit/s up, 200 GB a month")`)
	if l := s.State().Limits; l != (api.Limits{UpMbit: 35, MonthGB: 200}) {
		t.Errorf("the node's limits are %+v", l)
	}

	b.Click("#finish")
	b.Click("#stay")
	if s.State().Reason == string(policy.Leaving) {
		t.Error("it leaves although it was told to stay")
	}
	b.Click("#finish")
	b.Click("#leave")
	b.Until("it leaves", word+` === "Leaving" && document.querySelector("#finish").hidden`)
	b.Quiet()
}

// TestStarting shows a node that does not know its swarm yet.
func TestStarting(t *testing.T) {
	url, _ := serveSwarm(t, starting(), anywhere, 1000)
	b := chromium.Open(t, url, url+"#"+token)
	b.Until("it says what it does", word+` === "Joining" && `+why+` === "Fetching the swarm's manifest."`)
	b.Until("all is drawn", `document.querySelector("#details").textContent.includes("0.8.0")`)
	b.Quiet()
}

// TestLost ends the daemon under the page, and has another run of it take its place.
func TestLost(t *testing.T) {
	url, end := serveSwarm(t, newSwarm(4, 40, 10), anywhere, 3)
	b := chromium.Open(t, url, url+"#"+token)
	b.Until("it is shown", line+` === "Live" && document.querySelectorAll("#rounds-table tbody tr").length === 10`)
	b.Quiet()
	end()
	b.Until("the page says so", line+`.startsWith("The daemon does not answer")`)
	s := newSwarm(4, 7, 1)
	_, _ = serveSwarm(t, s, strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/"), 1000)
	b.Until("it is there again", line+` === "Live"`)
	b.Until("the rounds are those of the new run", `document.querySelectorAll("#rounds-table tbody tr").length === 7`)
	b.Until("so are the events", `document.querySelectorAll("#events-list li").length === 3`)
	only(t, b, "ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING")
}

// TestToken opens the page without its token, with a wrong one, and with the right one.
func TestToken(t *testing.T) {
	url, _ := serveSwarm(t, newSwarm(4, 40, 10), anywhere, 3)
	const refused = `!document.querySelector("#refused").hidden && document.querySelector("#shown").hidden && document.body.innerText.includes("murmur page")`
	b := chromium.Open(t, url, url)
	b.Until("no token", refused)
	b.Quiet()
	b.Go(url + "#" + token + "x")
	b.Until("a wrong token", refused)
	only(t, b, "403")
	b.Go(url + "#" + token)
	b.Until("the right token", line+` === "Live"`)
	b.Go(url)
	b.Until("the token is remembered", line+` === "Live"`)
	b.Quiet()
}

// only fails for what the page said but for what must come.
func only(t *testing.T, b *chromium.Tab, expected ...string) {
	t.Helper()
next:
	for _, said := range b.Wrong() {
		for _, e := range expected {
			if strings.Contains(said, e) {
				continue next
			}
		}
		t.Error(said)
	}
}
