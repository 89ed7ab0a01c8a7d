package token

import (
	"maps"
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is a token beside the model's own that is found in the text before all else.
type addedToken struct {
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	Lstrip     bool   `json:"lstrip"`
	Rstrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// matcher finds added tokens, the leftmost first and there the longest. A nil one finds none.
type matcher struct {
	trie   trie
	ids    map[string]int32
	tokens map[int32]addedToken
}

// below returns a matcher of the tokens below an id.
func (m *matcher) below(most int32) *matcher {
	if m == nil {
		return nil
	}
	ids := maps.Clone(m.ids)
	maps.DeleteFunc(ids, func(_ string, id int32) bool { return id >= most })
	return newMatcher(ids, m.tokens)
}

// cut calls part for each stretch of text in turn; id is -1 for what lies between tokens.
func (m *matcher) cut(text string, part func(from, to int, id int32)) {
	done := 0
	if m != nil {
		for at := 0; at < len(text); {
			n, id := m.trie.longest(text[at:])
			if n == 0 {
				at++
				continue
			}
			from, to := at, at+n
			at = to
			tok := m.tokens[id]
			if tok.SingleWord && (endsWord(text[:from]) || startsWord(text[to:])) {
				continue
			}
			if tok.Lstrip {
				from = max(from, done)
				from = done + len(strings.TrimRightFunc(text[done:from], unicode.IsSpace))
			}
			if tok.Rstrip {
				to = max(to, done) // where done lies behind it, the spaces up to there were another's
				to = len(text) - len(strings.TrimLeftFunc(text[to:], unicode.IsSpace))
			}
			if done < from {
				part(done, from, -1)
			}
			if from < to { // else another token took the spaces that this one is
				part(from, to, id)
				done = to
			}
		}
	}
	if done < len(text) {
		part(done, len(text), -1)
	}
}

func endsWord(s string) bool {
	r, n := utf8.DecodeLastRuneInString(s)
	return n > 0 && isWord(r)
}

func startsWord(s string) bool {
	r, n := utf8.DecodeRuneInString(s)
	return n > 0 && isWord(r)
}

// isWord reports whether regular expressions that know Unicode take r for \w.
func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		return r == '_' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z'
	}
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic,
		unicode.Join_Control)
}
