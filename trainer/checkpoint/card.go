package checkpoint

import (
	"fmt"
	"strings"

	"github.com/murmurnet/murmur/trainer/model"
)

// cardFile is where Hugging Face's hub looks for a model's card.
const cardFile = "README.md"

// Card says what trained a model. All of it is known from the swarm's manifest and chain.
type Card struct {
	Name    string // the swarm's
	Swarm   string // its id
	State   string // the root of the state that was exported
	Height  uint64 // commits since the beginning
	Tokens  uint64 // committed
	Updates uint64 // included in the commits that this node holds
	Authors int    // of those
	Method  string
	Inner   string
	Data    string
	Began   string // what it began with
	Version string // murmur's
}

func (c Card) text(m model.Config) string {
	b := &strings.Builder{}
	name := strings.Join(strings.Fields(c.Name), " ")
	library, what := "transformers", "A model of the "+m.FamilyName()+" family"
	if m.Adapter != nil {
		library, what = "peft", "An adapter for a model of the "+m.FamilyName()+" family"
	}
	fmt.Fprintf(b, "---\nlibrary_name: %s\npipeline_tag: text-generation\ntags:\n- murmur\n---\n\n# %s, round %d\n\n", library, name, c.Height)
	fmt.Fprintf(b, "%s, of %.3g million parameters, that a murmur swarm trained: nodes of volunteers, without a server.\n\n", what, float64(m.Layout().Params())/1e6)
	for _, row := range [][2]string{
		{"Swarm", "`" + c.Swarm + "`"},
		{"State", "`" + c.State + "`"},
		{"Rounds", fmt.Sprint(c.Height)},
		{"Trained on", fmt.Sprintf("%d tokens of %s", c.Tokens, c.Data)},
		{"Began with", c.Began},
		{"Method", c.Method + ", with " + c.Inner + " on each node"},
		{"Learned by", fmt.Sprintf("%d nodes in the newest %d updates that the exporting node holds", c.Authors, c.Updates)},
		{"Written by", "murmur " + c.Version},
	} {
		fmt.Fprintf(b, "- **%s**: %s\n", row[0], row[1])
	}
	b.WriteString("\nThe text that it learned from and the model that it began with have licences of their own; this card knows nothing of them.\n")
	return b.String()
}
