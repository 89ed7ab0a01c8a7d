// Tells those who hear the page what happened; what they see changes by itself.

import {$, say} from "./dom.js";

export const tell = (text) => say($("news"), text);
