// What the page may ask of the service: six calls, and only about the session's own user.

/** What a call may be about. */
type Subject = "user" | "check" | "nobody";

/** The calls of a wallet's page. Each path is the service's own. */
const CALLS: ReadonlyMap<string, Subject> = new Map([
  ["POST /v1/verification/start", "user"],
  ["GET /v1/verification/status", "check"],
  ["POST /v1/key/generate", "user"],
  ["POST /v1/backup/store", "user"],
  ["POST /v1/backup/recover", "user"],
  ["GET /.well-known/jwks.json", "nobody"],
]);

/** A signed-in user, and the identity checks that were begun for him. */
export interface Session {
  readonly user: string;
  readonly checks: Set<string>;
}

/** Whether the call goes on to the service. */
export function mayPass(session: Session, method: string, url: URL, body: Buffer): boolean {
  const subject = CALLS.get(`${method} ${url.pathname}`);
  if (subject === undefined) return false;
  if (subject === "nobody") return true;
  if (subject === "check") return session.checks.has(url.searchParams.get("verification_id") ?? "");
  try {
    return JSON.parse(body.toString()).user_identifier === session.user;
  } catch {
    return false;
  }
}

/** Remembers the check that a call began, so that its state may be asked for. */
export function remember(session: Session, url: URL, answer: Buffer): void {
  if (url.pathname !== "/v1/verification/start") return;
  const { verification_id } = JSON.parse(answer.toString());
  if (typeof verification_id === "string") session.checks.add(verification_id);
}
