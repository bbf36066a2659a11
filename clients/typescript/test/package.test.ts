// The package as it would be published: what is in it, and that it works in an empty project.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));
const OPENPGP = join(dirname(createRequire(import.meta.url).resolve("openpgp")), "../..");
/** A page loads it, unbundled or not. */
const PACKED_BYTES_MAX = 100_000;

test("the package has what it says, needs nothing, and is used from an empty project", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-package-"));
  try {
    const quiet = ["--ignore-scripts", "--silent"];
    const packed = execFileSync("npm", ["pack", "--json", ...quiet, "--pack-destination", folder], { cwd: PACKAGE });
    const [{ filename, size, unpackedSize, files }] = JSON.parse(packed.toString());
    console.log(`figure: npm_package_packed ${size} bytes\nfigure: npm_package_unpacked ${unpackedSize} bytes`);
    assert.ok(size <= PACKED_BYTES_MAX);
    for (const { path } of files as Array<{ path: string }>) {
      assert.match(path, /^(?:dist\/src\/[\w/-]+\.(?:js|d\.ts)|README\.md|LICENSE|package\.json)$/);
    }

    const modules = join(folder, "node_modules");
    const installed = join(modules, "@holdfast/client");
    mkdirSync(installed, { recursive: true });
    execFileSync("tar", ["-xf", join(folder, filename), "-C", installed, "--strip-components=1"]);
    const about = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
    assert.deepEqual([about.type, about.dependencies, about.scripts.install], ["module", undefined, undefined]);
    for (const { types } of Object.values(about.exports) as Array<{ types?: string }>) {
      if (types) assert.ok(statSync(join(installed, types)).size > 0);
    }
    assert.ok(!existsSync(join(modules, "openpgp")));
    const run = (script: string) =>
      execFileSync(process.execPath, ["--input-type=module", "-e", script], { cwd: folder }).toString();
    const plain = `const { Client } = await import("@holdfast/client");
      const { verifyWebhook } = await import("@holdfast/client/webhook");
      console.log(String(new Client({ baseUrl: "https://h", credential: "k" })), typeof verifyWebhook);`;
    assert.equal(run(plain), "Client(https://h) function\n");
    symlinkSync(OPENPGP, join(modules, "openpgp"));
    const device = `const { RecipientKey } = await import("@holdfast/client/openpgp");
      console.log((await RecipientKey.generate()).fingerprint.length);`;
    assert.equal(run(device), "40\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
