import { r, o as i, a, n as d, l as f } from "./chunks/host-CvZRTHC8.mjs";
let t;
function o() {
  return t ??= import("./chunks/nodes-0PRIu-W7.mjs").then((s) => (s.start(), s)), t;
}
function c(s) {
  d(s).startsWith("SDGen") && o().then((e) => {
    e.created(s);
  });
}
function l() {
  i("sdgen.session", (e) => {
    o().then((n) => {
      n.sessionTold(e);
    });
  }, { once: !0 }), a(async (e) => (await import("./chunks/png-CU4J6UJt.mjs")).savedWorkflow(e));
}
async function p() {
  t && await (await t).refreshed();
}
const m = [
  {
    id: "SDGen.Import",
    label: () => f().startsWith("fr") ? "Importer les nouvelles sessions" : "Import new sessions",
    icon: "pi pi-folder-open",
    press: () => {
      o().then((s) => {
        s.importSessions();
      });
    }
  }
];
r({ started: l, created: c, refreshed: p, commands: m });
