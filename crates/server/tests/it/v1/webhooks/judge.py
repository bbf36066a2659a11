"""Two libraries of Python judge deliveries: the right secrets are accepted, others and other bodies are not."""
import json, sys, stripe
from standardwebhooks import Webhook
for case in json.load(sys.stdin):
    body, headers = case['body'], case['headers']
    for secret in case['good']:
        stripe.WebhookSignature.verify_header(body, headers['coincover-signature'], secret, 300)
        stripe.Webhook.construct_event(body, headers['coincover-signature'], secret)
        assert Webhook(secret).verify(body, headers) == json.loads(body)
    for secret in case['bad']:
        for check in (lambda: stripe.WebhookSignature.verify_header(body, headers['coincover-signature'], secret, 300),
                      lambda: Webhook(secret).verify(body, headers),
                      lambda: Webhook(case['good'][0]).verify(body + ' ', headers),
                      lambda: stripe.WebhookSignature.verify_header(body + ' ', headers['coincover-signature'], case['good'][0])):
            try:
                check()
            except Exception:
                continue
            raise SystemExit('a wrong signature was accepted')
print('accepted')
