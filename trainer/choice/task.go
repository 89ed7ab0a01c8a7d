package choice

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Task names a benchmark as lm-evaluation-harness does.
type Task string

// The tasks that Read knows.
const (
	ARCEasy      Task = "arc_easy"
	ARCChallenge Task = "arc_challenge"
	HellaSwag    Task = "hellaswag"
	OpenBookQA   Task = "openbookqa"
	PIQA         Task = "piqa"
	WinoGrande   Task = "winogrande"
)

// Tasks lists all tasks.
func Tasks() []Task {
	return []Task{ARCEasy, ARCChallenge, HellaSwag, OpenBookQA, PIQA, WinoGrande}
}

// Item is one question.
type Item struct {
	Line    int // of its file, from 1
	Choices []Choice
	Answer  int // the right choice
}

// Choice is one answer: the likelihood of Continuation after Context.
type Choice struct {
	Context, Continuation string
	Length                int // characters of the answer's text, by which acc_norm divides
}

// format gives the function that makes an item of one of the task's lines.
func (t Task) format() (func(*record) Item, error) {
	switch t {
	case ARCEasy, ARCChallenge:
		return arc, nil
	case HellaSwag:
		return hellaSwag, nil
	case OpenBookQA:
		return openBookQA, nil
	case PIQA:
		return piqa, nil
	case WinoGrande:
		return winoGrande, nil
	}
	return nil, fmt.Errorf("choice: task %q is not known, want one of %v", t, Tasks())
}

// normalised says whether the task has an acc_norm: WinoGrande's choices continue with the same text.
func (t Task) normalised() bool { return t != WinoGrande }

func arc(r *record) Item {
	item := ask(question(r.text("question")), r.texts("choices", "text"))
	item.Answer = r.labelled(r.text("answerKey"), len(item.Choices))
	return item
}

func openBookQA(r *record) Item {
	item := ask(r.text("question_stem"), r.texts("choices", "text"))
	item.Answer = r.labelled(strings.TrimLeftFunc(r.text("answerKey"), isSpace), len(item.Choices))
	return item
}

func piqa(r *record) Item {
	item := ask(question(r.text("goal")), []string{r.text("sol1"), r.text("sol2")})
	item.Answer = r.ordinal("label", 0, len(item.Choices))
	return item
}

func hellaSwag(r *record) Item {
	context := r.text("activity_label") + ": " + r.text("ctx_a") + " " + capitalise(r.text("ctx_b"))
	endings := r.texts("endings")
	for i, ending := range endings {
		endings[i] = withoutBrackets(ending)
	}
	item := ask(withoutBrackets(context), endings)
	item.Answer = r.ordinal("label", 0, len(item.Choices))
	return item
}

// winoGrande evaluates partially (Trinh, Le 2018): each option stands in the context, and what follows the blank is
// scored.
func winoGrande(r *record) Item {
	sentence := r.text("sentence")
	before, after, found := strings.Cut(sentence, "_")
	if !found {
		r.refuse("sentence", "has no blank, want a _ where the options go")
	}
	item := Item{Answer: r.ordinal("answer", 1, 2)}
	for _, name := range []string{"option1", "option2"} {
		item.Choices = append(item.Choices, Choice{
			Context: before + r.text(name), Continuation: delimiter + strings.TrimFunc(after, isSpace),
		})
	}
	return item
}

// delimiter stands between a context and a continuation.
const delimiter = " "

func question(text string) string { return "Question: " + text + "\nAnswer:" }

func ask(context string, answers []string) Item {
	var item Item
	for _, answer := range answers {
		item.Choices = append(item.Choices, Choice{
			Context: context, Continuation: delimiter + answer, Length: utf8.RuneCountInString(answer),
		})
	}
	return item
}

var brackets = regexp.MustCompile(`\[.*?\]`)

// withoutBrackets takes out the markup that HellaSwag's WikiHow texts have.
func withoutBrackets(text string) string {
	text = strings.ReplaceAll(strings.TrimFunc(text, isSpace), " [title]", ". ")
	return strings.ReplaceAll(brackets.ReplaceAllString(text, ""), "  ", " ")
}

// capitalise makes the first letter upper case and all others lower case. Python, which the harness runs on, does
// the same but for letters that change into two (ß) and a final Greek sigma; the data set is English.
func capitalise(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	return string(unicode.ToTitle(first)) + strings.ToLower(text[size:])
}

// isSpace is Python's notion of white space: Unicode's and the four information separators.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }
