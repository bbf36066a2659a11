// Has the browser use a passkey for a form, and sends what it answered with the form.
//
// <form data-passkey="get|create" data-options="{...}"> holds the options as the service made them, one hidden
// <input name="credential">, and one element with data-said, where what went wrong is said.
"use strict";

(() => {
  const toBytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));

  const toText = (buffer) => {
    let letters = "";
    for (const byte of new Uint8Array(buffer)) letters += String.fromCharCode(byte);
    return btoa(letters).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };

  const named = (list) => (list || []).map((entry) => ({ ...entry, id: toBytes(entry.id) }));

  // The options in the form that the browser takes: bytes, where JSON has text.
  const toOptions = (json) => {
    const parsed = JSON.parse(json);
    const options = parsed.publicKey || parsed;
    options.challenge = toBytes(options.challenge);
    if (options.user) options.user.id = toBytes(options.user.id);
    if (options.excludeCredentials) options.excludeCredentials = named(options.excludeCredentials);
    if (options.allowCredentials) options.allowCredentials = named(options.allowCredentials);
    return options;
  };

  // What the browser answered, in the form that the service takes: text, where the browser has bytes.
  const toAnswer = (credential) => {
    const response = {};
    for (const part of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[part]) response[part] = toText(credential.response[part]);
    }
    if (credential.response.getTransports) response.transports = credential.response.getTransports();
    return JSON.stringify({
      id: credential.id,
      rawId: toText(credential.rawId),
      type: credential.type,
      response,
      extensions: credential.getClientExtensionResults(),
    });
  };

  const WORDS = {
    NotAllowedError: "Nothing was done: it was called off, or it took too long. Press the button to try again.",
    InvalidStateError: "This device or key already holds a passkey of yours. Use another one, or sign in with it.",
    SecurityError:
      "The browser does not use passkeys at this address. Open Control at the address you were given: it begins " +
      "with https, or with http://localhost.",
    NotSupportedError: "This device cannot make the kind of passkey that is needed. Use another device or a security key.",
    ConstraintError: "This device cannot ask for your PIN, fingerprint or face. Set one up on it, or use another device.",
    AbortError: "It was called off. Press the button to try again.",
  };

  const inWords = (error) =>
    WORDS[error.name] || "The browser could not use a passkey (" + error.name + "). Try again, or use another browser.";

  const use = async (form) => {
    const kind = form.dataset.passkey;
    const publicKey = toOptions(form.dataset.options);
    const credential = await navigator.credentials[kind]({ publicKey });
    return toAnswer(credential);
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const input = form.elements.credential;
    const said = form.querySelector("[data-said]");
    const buttons = form.querySelectorAll("button");
    const say = (text) => { said.textContent = text; };

    if (!window.PublicKeyCredential) {
      say("This browser has no passkeys. Use a current Firefox, Chrome, Edge or Safari, at an https address.");
      for (const button of buttons) button.disabled = true;
      continue;
    }
    form.addEventListener("submit", async (event) => {
      if (input.value) return;
      event.preventDefault();
      say("Your browser asks for your passkey now.");
      for (const button of buttons) button.disabled = true;
      try {
        input.value = await use(form);
        say("Done. One moment.");
      } catch (error) {
        say(inWords(error));
      }
      for (const button of buttons) button.disabled = false;
      if (input.value) form.requestSubmit(event.submitter || undefined);
    });
    // A page that the browser kept must ask again: an answer holds for one challenge.
    window.addEventListener("pageshow", () => { input.value = ""; });
  }
})();
