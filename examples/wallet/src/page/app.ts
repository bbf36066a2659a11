// The page: a phone with its screens, and beside it what leaves the phone.

import { type Exchange, HoldfastError } from "@holdfast/client";

import { newWords } from "./words.js";
import { backUp, connect, getBack, type SignedIn, signIn, type Stage } from "./wallet.js";

type Child = Node | string;
type Step = "waits" | "now" | "done";

/** What each call carries, in words. */
const CARRIES: Readonly<Record<string, string>> = {
  "POST /v1/verification/start": "Who wants to prove who he is",
  "GET /v1/verification/status": "Whether he has",
  "POST /v1/key/generate": "The wish for a key",
  "GET /.well-known/jwks.json": "Nothing; back came what checks the enclave's signature",
  "POST /v1/backup/store": "The words, encrypted, and their checksum",
  "POST /v1/backup/recover": "The new phone's public OpenPGP key",
};

let signedIn: SignedIn | undefined;

function find(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no ${id}`);
  return found;
}

function make(name: string, attributes: Record<string, string>, ...children: Child[]): HTMLElement {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function button(text: string, act: () => void, kind = "first"): HTMLElement {
  const element = make("button", { type: "button", class: kind }, text);
  element.addEventListener("click", act, { once: true });
  return element;
}

function show(...children: Child[]): void {
  find("screen").replaceChildren(...children);
}

function wordList(words: string): HTMLElement {
  return make("ol", { class: "words" }, ...words.split(" ").map((word) => make("li", {}, word)));
}

function facts(pairs: Record<string, string>): HTMLElement {
  const entries = Object.entries(pairs).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
  return make("dl", { class: "facts" }, ...entries);
}

/** Writes down a call, once for each kind of thing that is asked again and again. */
function observe({ method, path, status }: Exchange): void {
  const name = `${method} ${path.split("?")[0]?.replace(/^\/service/, "") ?? ""}`;
  const line = `${name} → ${status}`;
  const list = find("wire");
  find("wire-empty").hidden = true;
  const last = list.lastElementChild;
  const times = last?.getAttribute("data-line") === line ? Number(last.getAttribute("data-times")) + 1 : 1;
  const shown = times === 1 ? line : `${line}, ${times} times`;
  const entry = make("li", { "data-line": line, "data-times": String(times) });
  entry.append(make("p", {}, CARRIES[name] ?? "Another call"), make("code", {}, shown));
  if (times === 1) list.append(entry);
  else last?.replaceWith(entry);
}

/** The screen while somebody proves who he is and the phone works: where one does it, and how far it is. */
function progress(title: string, steps: readonly string[]): (at: number, address?: string) => void {
  return (at, address) => {
    const state = (index: number): Step => (index < at ? "done" : index === at ? "now" : "waits");
    const list = steps.map((step, index) => make("li", { class: state(index) }, step));
    const link = { class: "button", id: "prove", href: address ?? "", target: "_blank", rel: "noopener" };
    show(
      make("h2", {}, title),
      make("ol", { class: "steps" }, ...list),
      make("div", { class: "push" }),
      ...(address === undefined
        ? []
        : [
            make("p", { class: "quiet" }, "A page opens on which you play the person. Come back when you have passed."),
            make("a", link, "Prove who you are"),
          ]),
    );
  };
}

/** Three steps: the check, what comes after it, and the last, which begins when `path` was answered. */
function stage(step: (at: number, address?: string) => void, path: string): Stage {
  if (!signedIn) throw new Error("nobody is signed in");
  const client = connect(signedIn.token, (exchange) => {
    observe(exchange);
    if (exchange.status === 200 && exchange.path.endsWith(path)) step(2);
  });
  const { user, identity } = signedIn;
  return { client, user, identity, onCheck: (address) => step(0, address), onPassed: () => step(1) };
}

function failed(error: unknown, again: () => void): void {
  const said = error instanceof Error ? error.message : String(error);
  const hint = error instanceof HoldfastError ? error.hint : undefined;
  show(
    make("h2", {}, "That did not work"),
    make("p", { class: "alarm", role: "alert" }, said),
    ...(hint ? [make("p", { class: "quiet" }, hint)] : []),
    make("div", { class: "push" }),
    button("Try again", again),
  );
}

function welcome(): void {
  const attributes = { id: "name", name: "name", autocomplete: "off", maxlength: "64", required: "" };
  const field = make("input", attributes);
  const act = async () => {
    try {
      signedIn = await signIn((field as HTMLInputElement).value);
      find("owner").textContent = (field as HTMLInputElement).value.trim();
      wallet(newWords());
    } catch (error) {
      failed(error, welcome);
    }
  };
  const form = make(
    "form",
    {},
    make("label", { for: "name" }, "Your name"),
    field,
    make("div", { class: "push" }),
    make("button", { type: "submit" }, "Make my words"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void act();
  });
  show(
    make("h2", {}, "Make a wallet"),
    make("p", { class: "quiet" }, "Twelve words open it. Whoever has them has what is in it, and without them it is gone."),
    form,
  );
}

function wallet(words: string): void {
  show(
    make("h2", {}, "Your twelve words"),
    make("p", { class: "quiet" }, "They are on this phone and nowhere else."),
    wordList(words),
    make("div", { class: "push" }),
    button("Back them up", () => void store(words)),
  );
}

async function store(words: string): Promise<void> {
  const step = progress("Backing up", ["Prove who you are", "Get a key, check who signed it", "Encrypt and store"]);
  step(0);
  try {
    const kept = await backUp(stage(step, "/.well-known/jwks.json"), words);
    show(
      make("h2", {}, "Backed up"),
      make("p", {}, "The words were encrypted here, to a key that the enclave signed for. API and database keep what they cannot read."),
      facts({ "Guarded by the key": kept.keyId, "Kept as the backup": kept.backupId }),
      make("div", { class: "push" }),
      button("Drop the phone into the harbour", newPhone),
    );
  } catch (error) {
    failed(error, () => void store(words));
  }
}

function newPhone(): void {
  find("phone-name").textContent = "Your new phone";
  show(
    make("h2", {}, "Nothing is here"),
    make("p", { class: "quiet" }, "The old phone is gone, and the words with it. This one makes a fresh key; the words come back to that key, if you are who stored them."),
    make("div", { class: "push" }),
    button("Get my words back", () => void restore()),
  );
}

async function restore(): Promise<void> {
  const step = progress("Getting back", ["Prove who you are", "Ask, with this phone's key", "Open what came, compare"]);
  step(0);
  try {
    const back = await getBack(stage(step, "/v1/backup/recover"));
    show(
      make("h2", {}, "Your twelve words are back"),
      make("p", { class: "quiet" }, "They came encrypted to this phone's key, and are what you stored, byte for byte."),
      wordList(back.words),
      facts({ "This phone's OpenPGP key": back.fingerprint.replace(/.{4}(?=.)/g, "$& ") }),
      make("div", { class: "push" }),
      button("Begin anew", () => location.reload(), "second"),
    );
  } catch (error) {
    failed(error, () => void restore());
  }
}

welcome();
