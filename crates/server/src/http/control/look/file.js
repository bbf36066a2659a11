// Puts a picked OpenPGP certificate into the field beside it, as text.
//
// <input type="file" data-into="ID" hidden> has no name, so the file itself is never sent; without this script it
// stays hidden, and the certificate is pasted.
"use strict";

(() => {
  const BYTES_MAX = 262144;

  // A certificate that is not text yet: the same in the text form of OpenPGP.
  const toArmour = (bytes) => {
    let letters = "";
    for (const byte of bytes) letters += String.fromCharCode(byte);
    const lines = btoa(letters).match(/.{1,64}/g).join("\n");
    return "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n" + lines + "\n-----END PGP PUBLIC KEY BLOCK-----\n";
  };

  const read = async (file) => {
    if (file.size > BYTES_MAX) throw new Error("This file is larger than a certificate is (256 KiB). Pick the certificate alone.");
    const bytes = new Uint8Array(await file.arrayBuffer());
    if (bytes.length === 0) throw new Error("This file is empty.");
    // Every OpenPGP packet begins with a byte of 128 or more, which no text in ASCII has.
    return bytes[0] >= 128 ? toArmour(bytes) : new TextDecoder().decode(bytes);
  };

  for (const input of document.querySelectorAll("input[type=file][data-into]")) {
    const target = document.getElementById(input.dataset.into);
    const said = document.getElementById(input.id + "-said");
    input.closest("[data-picker]").hidden = false;
    input.addEventListener("change", async () => {
      const file = input.files[0];
      if (!file) return;
      try {
        target.value = await read(file);
        said.textContent = "Taken from " + file.name + ". Compare the fingerprint on the next page.";
      } catch (error) {
        said.textContent = error.message;
      }
    });
  }
})();
