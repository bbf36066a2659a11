// Webhooks: the endpoints, and what was sent to them. What arrives is verified in webhook.ts.

import type { CallOptions, Caller } from "./call.js";
import type {
  CreateWebhookRequest,
  Delivery,
  DeliveryPage,
  TestWebhookResponse,
  UpdateWebhookRequest,
  Webhook,
  WebhookPage,
  WebhookWithSecret,
} from "./generated/types.js";

/** Where in a list, and how much of it. */
export interface Paging {
  limit?: number;
  cursor?: string;
}

/** The calls of scope `webhooks`. */
export class Webhooks {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Adds an endpoint. Its secret is in this answer and nowhere else. */
  async create(request: CreateWebhookRequest, options?: CallOptions): Promise<WebhookWithSecret> {
    return await this.#caller.call("create_webhook", { body: request }, options);
  }

  /** One page of endpoints. */
  async list(paging: Paging = {}, options?: CallOptions): Promise<WebhookPage> {
    return await this.#caller.call("list_webhooks", { query: paging }, options);
  }

  /** One endpoint. */
  async read(id: string, options?: CallOptions): Promise<Webhook> {
    return await this.#caller.call("read_webhook", { path: { id } }, options);
  }

  /** Changes an endpoint; what is left out stays. */
  async update(id: string, request: UpdateWebhookRequest, options?: CallOptions): Promise<Webhook> {
    return await this.#caller.call("update_webhook", { path: { id }, body: request }, options);
  }

  /** Removes an endpoint. */
  async delete(id: string, options?: CallOptions): Promise<void> {
    await this.#caller.call("delete_webhook", { path: { id } }, options);
  }

  /** Gives an endpoint another secret; the one before signs too for 24 hours. */
  async rotateSecret(id: string, options?: CallOptions): Promise<WebhookWithSecret> {
    return await this.#caller.call("rotate_webhook_secret", { path: { id } }, options);
  }

  /** Sends an event `webhook.test`. */
  async test(id: string, options?: CallOptions): Promise<TestWebhookResponse> {
    return await this.#caller.call("test_webhook", { path: { id } }, options);
  }

  /** One page of what was sent to an endpoint, newest first. */
  async listDeliveries(id: string, paging: Paging = {}, options?: CallOptions): Promise<DeliveryPage> {
    return await this.#caller.call("list_deliveries", { path: { id }, query: paging }, options);
  }

  /** Sends an event again. */
  async redeliver(id: string, deliveryId: string, options?: CallOptions): Promise<Delivery> {
    return await this.#caller.call("redeliver", { path: { id, delivery_id: deliveryId } }, options);
  }
}
