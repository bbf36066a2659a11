// The wallet's two deeds, without a page around them.

import { Client, type Exchange } from "@holdfast/client";
import { RecipientKey } from "@holdfast/client/openpgp";

/** The name under which the words come back. */
const ITEM = "words";
/** How often it is looked whether a check was passed, and how long between, in milliseconds. */
const LOOKS = 600;
const PAUSE_MS = 1000;

/** Somebody signed in: `token` is the wallet's own, and the service's API key stays with the backend. */
export interface SignedIn {
  token: string;
  user: string;
  /** Where the sandbox lets one play the person; a real provider's flow takes its place. */
  identity: string;
}

/** What backing up and getting back have in common: who does it, and what is shown meanwhile. */
export interface Stage {
  client: Client;
  user: string;
  /** Told the address at which the person proves who he is. */
  onCheck: (address: string) => void;
  /** Told that he has. */
  onPassed: () => void;
  identity: string;
}

export async function signIn(name: string): Promise<SignedIn> {
  const answer = await fetch("/session", { method: "POST", body: JSON.stringify({ user: name }) });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.message);
  return body;
}

/** A client of the service, by way of the wallet's backend. */
export function connect(token: string, observer: (exchange: Exchange) => void): Client {
  return new Client({ baseUrl: `${location.origin}/service`, credential: token, observer });
}

/** Encrypts the words on this phone and stores them; which key guards them. */
export async function backUp(stage: Stage, words: string): Promise<{ keyId: string; backupId: string }> {
  const verificationId = await prove(stage);
  const items = [{ name: ITEM, secret: words }];
  const kept = await stage.client.backup({ userIdentifier: stage.user, verificationId, items });
  return { keyId: kept.keyId, backupId: kept.items[0]?.backup_id ?? "" };
}

/** Gets the newest words back to this phone, encrypted to an OpenPGP key that was made here. */
export async function getBack(stage: Stage): Promise<{ words: string; fingerprint: string }> {
  const device = await RecipientKey.generate();
  const verificationId = await prove(stage);
  const recovered = await stage.client.recover({ userIdentifier: stage.user, verificationId, device });
  const newest = recovered.secrets.find((secret) => secret.name === ITEM);
  const words = newest?.secret.exposeText();
  if (words === undefined) throw recovered.failed[0]?.error ?? new Error("the words are not among what came back");
  return { words, fingerprint: device.fingerprint };
}

/** Has the person prove who he is; the id of the check that was passed. */
async function prove(stage: Stage): Promise<string> {
  const { verification_id } = await stage.client.retail.startVerification({ user_identifier: stage.user });
  stage.onCheck(stage.identity + verification_id);
  for (let look = 0; look < LOOKS; look += 1) {
    const { status } = await stage.client.retail.verificationStatus(verification_id);
    if (status === "approved") {
      stage.onPassed();
      return verification_id;
    }
    if (status === "declined") throw new Error("The check was not passed. Nothing was done.");
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  throw new Error("Nobody passed the check in ten minutes. Nothing was done.");
}
