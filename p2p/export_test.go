package p2p

// What the tests in package p2p_test, which run on simulated links, share with
// those in here.
var (
	ParamsFor   = testParams
	RandomBytes = randomBytes
)

type MemStore = memStore
