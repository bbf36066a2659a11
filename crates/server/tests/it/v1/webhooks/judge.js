// Two libraries of Node judge deliveries: the right secrets are accepted, others and other bodies are not.
const assert = require('node:assert');
const stripe = require('stripe')('none');
const { Webhook } = require('standardwebhooks');
for (const { body, headers, good, bad } of JSON.parse(require('node:fs').readFileSync(0, 'utf8'))) {
    const signature = headers['coincover-signature'];
    for (const secret of good) {
        assert.deepStrictEqual(stripe.webhooks.constructEvent(body, signature, secret), JSON.parse(body));
        assert.deepStrictEqual(new Webhook(secret).verify(body, headers), JSON.parse(body));
    }
    for (const secret of bad) {
        assert.throws(() => stripe.webhooks.constructEvent(body, signature, secret));
        assert.throws(() => stripe.webhooks.constructEvent(body + ' ', signature, good[0]));
        assert.throws(() => new Webhook(secret).verify(body, headers));
        assert.throws(() => new Webhook(good[0]).verify(body + ' ', headers));
    }
}
console.log('accepted');
