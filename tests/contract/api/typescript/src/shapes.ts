// The published types of the risk-scoring answers, as readers.

import type { RiskScoringGetResponse } from 'cloudflare/resources/zero-trust/risk-scoring/risk-scoring';
import type {
  BehaviourGetResponse,
  BehaviourUpdateResponse,
} from 'cloudflare/resources/zero-trust/risk-scoring/behaviours';
import type { IntegrationGetResponse } from 'cloudflare/resources/zero-trust/risk-scoring/integrations/integrations';
import type { SummaryGetResponse } from 'cloudflare/resources/zero-trust/risk-scoring/summary';
import type { TokenVerifyResponse } from 'cloudflare/resources/user/tokens/tokens';
import { anything, byKey, count, flag, list, moment, object, oneOf, orNull, text } from './reading.js';

const riskLevel = oneOf('low', 'medium', 'high');

export const integration = object<IntegrationGetResponse>(
  {
    id: text,
    account_tag: text,
    active: flag,
    created_at: moment,
    integration_type: oneOf('Okta'),
    reference_id: text,
    tenant_url: text,
    well_known_url: text,
  },
  {},
);

export const behaviors = object<BehaviourGetResponse>(
  {
    behaviors: byKey(
      object<BehaviourGetResponse.Behaviors>(
        { description: text, enabled: flag, name: text, risk_level: riskLevel },
        {},
      ),
    ),
  },
  {},
);

export const changedBehaviors = object<BehaviourUpdateResponse>(
  { behaviors: byKey(object<BehaviourUpdateResponse.Behaviors>({ enabled: flag, risk_level: riskLevel }, {})) },
  {},
);

export const summary = object<SummaryGetResponse>(
  {
    users: list(
      object<SummaryGetResponse.User>(
        {
          email: text,
          event_count: count,
          last_event: moment,
          max_risk_level: riskLevel,
          name: text,
          user_id: text,
        },
        {},
      ),
    ),
  },
  {},
);

export const user = object<RiskScoringGetResponse>(
  {
    email: text,
    events: list(
      object<RiskScoringGetResponse.Event>(
        { id: text, name: text, risk_level: riskLevel, timestamp: moment },
        { event_details: anything },
      ),
    ),
    name: text,
  },
  { last_reset_time: orNull(moment), risk_level: riskLevel },
);

export const verification = object<TokenVerifyResponse>(
  { id: text, status: oneOf('active', 'disabled', 'expired') },
  { expires_on: moment, not_before: moment },
);

export const nothing = object<Record<never, never>>({}, {});
