// Package checkpoint reads and writes models as folders in Hugging Face's layout: config.json, safetensors in one file or
// several, and what lies beside them.
//
// What it reads it has read whole: every tensor of the model is there once, in its shape, finite or not as it was written,
// and no tensor is left aside, or the folder would silently be another model. What it writes appears whole or not at all. A
// model that was read and written again without training has equal tensors, in name, shape, type and value, and an equal
// config.json. Models that package model does not have are refused by name.
//
// An adapter is read and written as peft saves it, and the model under one from its files, a tensor at a time.
//
// The package knows nothing of swarms; a card's facts are handed to it.
package checkpoint
