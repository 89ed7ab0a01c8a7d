package token

import (
	"maps"
	"slices"
	"sort"
)

// trie finds which of a set of strings a text starts with. A node's children lie side by side, ordered by their byte.
type trie struct {
	nodes []trieNode
	root  [256]int32 // the root's children, 0 where there is none
}

type trieNode struct {
	first int32 // of its children
	value int32 // -1: no string ends here
	count uint16
	label byte
}

// newTrie takes the strings and their values. It makes at most one node a byte.
func newTrie(values map[string]int32) trie {
	keys := slices.Sorted(maps.Keys(values))
	if len(keys) > 0 && keys[0] == "" {
		keys = keys[1:]
	}
	type work struct{ node, from, to, depth int }
	t := trie{nodes: []trieNode{{value: -1}}}
	for queue := []work{{0, 0, len(keys), 0}}; len(queue) > 0; queue = queue[1:] {
		q := queue[0]
		from := q.from
		if from < q.to && len(keys[from]) == q.depth {
			t.nodes[q.node].value = values[keys[from]]
			from++
		}
		t.nodes[q.node].first = int32(len(t.nodes))
		for from < q.to {
			c := keys[from][q.depth]
			to := from + sort.Search(q.to-from, func(i int) bool { return keys[from+i][q.depth] > c })
			queue = append(queue, work{len(t.nodes), from, to, q.depth + 1})
			t.nodes = append(t.nodes, trieNode{value: -1, label: c})
			t.nodes[q.node].count++
			from = to
		}
	}
	for i := range int(t.nodes[0].count) {
		n := t.nodes[0].first + int32(i)
		t.root[t.nodes[n].label] = n
	}
	return t
}

// prefixes calls found for each string that s starts with, the shortest first.
func (t *trie) prefixes(s string, found func(n int, value int32)) {
	if s == "" {
		return
	}
	at := t.root[s[0]]
	for i := 1; at != 0; i++ {
		n := &t.nodes[at]
		if n.value >= 0 {
			found(i, n.value)
		}
		if i == len(s) {
			return
		}
		at = t.child(n, s[i])
	}
}

// longest returns the longest string that s starts with; n is 0 where there is none.
func (t *trie) longest(s string) (n int, value int32) {
	t.prefixes(s, func(m int, v int32) { n, value = m, v })
	return n, value
}

func (t *trie) child(n *trieNode, c byte) int32 {
	children := t.nodes[n.first : n.first+int32(n.count)]
	lo, hi := 0, len(children)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if children[mid].label < c {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(children) && children[lo].label == c {
		return n.first + int32(lo)
	}
	return 0
}
