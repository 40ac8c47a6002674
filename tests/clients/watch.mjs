import { resume } from "./resume.mjs";

const MESSAGES = `subscription Messages($campaign: ID!, $after: String) {
  messagesUpdated(campaignId: $campaign, after: $after) {
    cursor
    resync
    messages { id status statusAt errorCode history { status at } }
  }
}`;

/** Every message that changes after the cursor, which is `updatesCursor` of the query that was shown before. */
export function watchMessages(subscribe, campaign, cursor, show, failed) {
  return resume(
    (sink) => subscribe(MESSAGES, { campaign, after: cursor }, sink),
    ({ messagesUpdated }) => {
      show(messagesUpdated);
      cursor = messagesUpdated.cursor;
    },
    failed,
  );
}

const CAMPAIGN = `subscription Campaign($campaign: ID!) {
  campaignUpdated(id: $campaign) {
    state
    statistics { revision total statuses { status count } }
  }
}`;

/** A campaign as it is, and then as it becomes; the first event after a reconnect is its present state again. */
export function watchCampaign(subscribe, campaign, show, failed) {
  return resume(
    (sink) => subscribe(CAMPAIGN, { campaign }, sink),
    ({ campaignUpdated }) => show(campaignUpdated),
    failed,
  );
}
