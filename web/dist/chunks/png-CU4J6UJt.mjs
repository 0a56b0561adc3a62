const g = [137, 80, 78, 71, 13, 10, 26, 10];
function d(a) {
  const n = new Uint8Array(a), t = /* @__PURE__ */ new Map();
  if (g.some((e, s) => n[s] !== e)) return t;
  const c = new DataView(a);
  for (let e = g.length; e + 12 <= n.length; ) {
    const s = c.getUint32(e), u = i(n.subarray(e + 4, e + 8)), r = n.subarray(e + 8, e + 8 + s);
    if (r.length < s || u === "IEND") break;
    const o = r.indexOf(0);
    if (o > 0 && u === "tEXt") t.set(i(r.subarray(0, o)), i(r.subarray(o + 1)));
    else if (o > 0 && u === "iTXt" && r[o + 1] === 0) {
      const l = r.indexOf(0, o + 3), f = l < 0 ? -1 : r.indexOf(0, l + 1);
      f > 0 && t.set(i(r.subarray(0, o)), new TextDecoder().decode(r.subarray(f + 1)));
    }
    e += 12 + s;
  }
  return t;
}
async function y(a) {
  if (a.type !== "image/png") return null;
  const n = d(await a.arrayBuffer()), t = n.get("workflow");
  if (t === void 0 || !n.has("sdgen")) return null;
  try {
    const c = JSON.parse(t);
    return typeof c == "object" ? c : null;
  } catch {
    return null;
  }
}
function i(a) {
  let n = "";
  for (let t = 0; t < a.length; t += 8192) n += String.fromCharCode(...a.subarray(t, t + 8192));
  return n;
}
export {
  d as pngTexts,
  y as savedWorkflow
};
