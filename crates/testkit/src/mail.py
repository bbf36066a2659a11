"""A mail server, as other people wrote one: prints its port, then a JSON line for each mail that it took, and serves
until its input ends."""

import asyncio
import email
import email.policy
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP

MODE, PORT, CERTIFICATE, KEY = sys.argv[1:]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if MODE == "refuse":
            return "550 nobody of that name here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        told = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": server.transport.get_extra_info("sslcontext") is not None,
            "headers": [[name, str(value)] for name, value in message.items()],
            "plain": message.get_body(("plain",)).get_content(),
            "html": message.get_body(("html",)).get_content(),
            "types": [part.get_content_type() for part in message.walk()],
        }
        print(json.dumps(told), flush=True)
        return "250 taken"


async def hang(reader, writer):
    await asyncio.sleep(3600)


async def main():
    tls = None
    if CERTIFICATE:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(CERTIFICATE, KEY)
    loop = asyncio.get_running_loop()
    if MODE == "hang":
        server = await asyncio.start_server(hang, "127.0.0.1", int(PORT))
    else:
        starttls = {"tls_context": tls, "require_starttls": True} if MODE == "starttls" else {}
        server = await loop.create_server(
            lambda: SMTP(Handler(), hostname="sink.example", enable_SMTPUTF8=True, **starttls),
            "127.0.0.1",
            int(PORT),
            ssl=tls if MODE == "tls" else None,
        )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    # What still hangs is not waited for.
    sys.stdout.flush()
    os._exit(0)


asyncio.run(main())
